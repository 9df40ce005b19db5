"""A connection to one tracking store and experiment: asking it, and looking runs up.

Only explicit run ids and an ``MlflowClient`` are used, never MLflow's active run: that one is global
to a process and belongs to whoever called us. Every call here waits for the store.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from mlflow_xfer.errors import XferError
from mlflow_xfer.tracking import artifacts, endpoint, links, names, runs
from mlflow_xfer.tracking.runs import RunView

if TYPE_CHECKING:
    from mlflow import MlflowClient

T = TypeVar("T")
log = logging.getLogger(__name__)


class Session:
    """An open tracking store, to be read.

    Attributes:
        client: an ``MlflowClient`` of it.
        uri: its tracking URI.
        experiment_id: the experiment that new runs go into.
    """

    def __init__(self, client: MlflowClient, uri: str, experiment_id: str):
        self.client, self.uri, self.experiment_id = client, uri, experiment_id
        self._seen: dict[
            str, tuple[str, str]
        ] = {}  # run -> its experiment, and the artifact that is its page

    def ask(self, call: Callable[[], T]) -> T:
        """``call()`` with patience for a store that is away."""
        return endpoint.patiently(call, self.uri, log.warning)

    def get(self, run_id: str) -> RunView:
        """The run; raises :class:`XferError` if the store has none of that id."""
        from mlflow.exceptions import MlflowException

        try:
            run = runs.view(self.ask(lambda: self.client.get_run(run_id)))
        except MlflowException as error:
            raise XferError(
                f"No run {run_id!r} in {names.redact(self.uri)}.", "Check the id and MLFLOW_TRACKING_URI."
            ) from error
        self._seen[run.run_id] = run.experiment_id, run.tags.get(links.PAGE_TAG, "")
        return run

    def answer(self, run_id: str) -> RunView:
        """The run, or the one that its request was answered with.

        Raises:
            XferError: there is no such run, the request has no answer, or its answers lead back to it.
        """
        run, asked = self.get(run_id), []
        while run.kind == "request":
            asked.append(run.run_id)
            result = run.tags.get(runs.RESULT_TAG)
            if not result or result in asked:
                raise XferError(
                    f"Run {run_id} ({run.name}) "
                    + (f"points back to itself by {result}." if result else "was not answered with a run."),
                    "Name the run that holds the result; mlflow-xfer lineage RUN shows what it consists of.",
                )
            run = self.get(result)
        return run

    def search(
        self,
        tags: Mapping[str, str],
        *,
        status: str | None = None,
        everywhere: bool = True,
        newest_first: bool = False,
        limit: int | None = None,
    ) -> list[RunView]:
        """Runs with these tags, oldest first, in all experiments or only this one; deleted ones never."""
        order = "DESC" if newest_first else "ASC"
        ids = None if everywhere else [self.experiment_id]
        return self.ask(
            lambda: runs.search(
                self.client,
                runs.condition(tags, status),
                experiment_ids=ids,
                order_by=[f"attributes.start_time {order}"],
                limit=limit,
            )
        )

    def children(self, run_id: str) -> list[RunView]:
        """Runs that are parts of ``run_id``, oldest first."""
        return [run for run in self.search({runs.PARENT_TAG: run_id}) if run.parent]

    def models(self, run_id: str, name: str) -> list[Any]:
        """All LoggedModels of that name of a run, finished or not, newest first."""
        experiment = self.get(run_id).experiment_id
        query = f"source_run_id = '{run_id}' AND name = '{name}'"
        order = [{"field_name": "creation_timestamp", "ascending": False}]
        return list(self.ask(lambda: self.client.search_logged_models([experiment], query, order_by=order)))

    def read_artifact(self, run_id: str, path: str) -> str | None:
        """The text of one of the run's artifacts; None if there is none."""
        content = artifacts.read(self, self.get(run_id).artifact_uri, path)
        return None if content is None else content.decode()

    def read_json(self, run_id: str, path: str) -> Any | None:
        """The value of one of the run's JSON files; None if there is none."""
        return artifacts.read_json(self, self.get(run_id).artifact_uri, path)

    def read_table(self, run_id: str, path: str) -> list[dict[str, Any]] | None:
        """The rows of a table that the run logged; None if there is none."""
        return artifacts.read_table(self, self.get(run_id).artifact_uri, path)

    def link(self, run_id: str) -> str:
        """Where to see the run, or its page if it has one; where no server runs, also the command that opens
        the UI."""
        if run_id not in self._seen:
            try:
                self.get(run_id)
            except XferError:
                self._seen[run_id] = self.experiment_id, ""
        experiment_id, artifact = self._seen[run_id]
        where = (
            links.page(self.uri, experiment_id, run_id, artifact)
            if artifact
            else links.run(self.uri, experiment_id, run_id)
        )
        return links.shown(self.uri, where)
