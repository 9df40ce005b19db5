"""Runs as the rest of the program sees them, and how they are looked up."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

SCHEMA = "2"
READABLE = ("1", "2")
"""Schemas of runs that are read; a run is reused under its own alone."""
KINDS = ("phase", "request", "transfer", "condition", "search", "trial", "study")
PARENT_TAG = "mlflow.parentRunId"
RESULT_TAG = "xfer.result_run_id"  # on a request: the run that answers it
JOB_TAG = "xfer.job"  # the parent is the run of the environment, of which this one is no part
RUN_ID = re.compile(r"[0-9a-f]{32}")
_PAGE = 100
_IDS_PER_QUERY = 100
_EXPERIMENTS_PER_QUERY = 500


@dataclass(frozen=True)
class RunView:
    """What the tracking store knows about a run. Times are ms since 1970; ``deleted`` = in the bin."""

    run_id: str
    experiment_id: str
    name: str
    status: str
    start_time: int
    end_time: int | None
    deleted: bool
    artifact_uri: str
    tags: Mapping[str, str]
    params: Mapping[str, str]
    metrics: Mapping[str, float]
    models: tuple[str, ...]

    @property
    def kind(self) -> str:
        return self.tags.get("xfer.kind", "")

    @property
    def parent(self) -> str | None:
        """Whose part it is (not what it was made from: that is :attr:`inputs`)."""
        parent = self.tags.get(PARENT_TAG)
        return None if parent == self.tags.get(JOB_TAG) else parent

    @property
    def inputs(self) -> tuple[str, ...]:
        """The runs it was made from."""
        return tuple(run for run in self.tags.get("xfer.input_run_ids", "").split(",") if run)


def view(run: Run) -> RunView:
    """MLflow's run entity as a :class:`RunView`."""
    info, data = run.info, run.data
    return RunView(
        run_id=info.run_id,
        experiment_id=info.experiment_id,
        name=info.run_name or data.tags.get("mlflow.runName", ""),
        status=info.status,
        start_time=info.start_time or 0,
        end_time=info.end_time,
        deleted=info.lifecycle_stage == "deleted",
        artifact_uri=cast(str, info.artifact_uri),  # every run of a store has one
        tags=dict(data.tags),
        params=dict(data.params),
        metrics=dict(data.metrics),
        models=tuple(m.model_id for m in (run.outputs.model_outputs if run.outputs else ())),
    )


def condition(tags: Mapping[str, str], status: str | None = None) -> str:
    """An MLflow filter: every tag equal, and the status if given."""
    parts = [f"tags.`{_quotable(key)}` = '{_quotable(value)}'" for key, value in tags.items()]
    if status:
        parts.append(f"attributes.status = '{_quotable(status)}'")
    return " AND ".join(parts)


def search(
    client: MlflowClient,
    filter_string: str,
    *,
    experiment_ids: Sequence[str] | None = None,
    order_by: Sequence[str] = ("attributes.start_time ASC",),
    limit: int | None = None,
) -> list[RunView]:
    """Runs that are not deleted, in experiments that are not deleted (default: all of the store)."""
    ids = list(experiment_ids) if experiment_ids is not None else active_experiments(client)
    runs: list[RunView] = []
    for start in range(0, len(ids), _EXPERIMENTS_PER_QUERY):
        token = None
        while True:
            page = client.search_runs(
                ids[start : start + _EXPERIMENTS_PER_QUERY],
                filter_string,
                max_results=min(limit or _PAGE, _PAGE),
                order_by=list(order_by),
                page_token=token,
            )
            runs += map(view, page)
            token = page.token
            if not token or (limit and len(runs) >= limit):
                break
    return runs


def of_ids(client: MlflowClient, ids: Sequence[str]) -> list[RunView]:
    """The runs of these ids that are not deleted; what is no id of a run is left out."""
    wanted = [one for one in ids if RUN_ID.fullmatch(one)]
    parts = [wanted[start : start + _IDS_PER_QUERY] for start in range(0, len(wanted), _IDS_PER_QUERY)]
    listed = [", ".join(f"'{one}'" for one in part) for part in parts]
    return [run for part in listed for run in search(client, f"attributes.run_id IN ({part})")]


def marked(client: MlflowClient, experiment_id: str, mark: Mapping[str, str]) -> str | None:
    """The run of the experiment that was made with the tags ``mark``; None if there is none."""
    found = search(client, condition(mark), experiment_ids=[experiment_id], limit=1)
    return found[0].run_id if found else None


def active_experiments(client: MlflowClient) -> list[str]:
    """The ids of all experiments that are not deleted."""
    ids, token = [], None
    while True:
        page = client.search_experiments(max_results=1000, page_token=token)
        ids += [experiment.experiment_id for experiment in page]
        token = page.token
        if not token:
            return ids


def _quotable(value: str) -> str:
    """``value`` for a quoted place in a filter, which has no escapes."""
    if "'" in value or "`" in value:
        raise ValueError(f"{value!r} cannot be searched for: quotes have no escape in MLflow filters")
    return value
