"""What MLflow shows of an experiment before anything is clicked: its description, the metric that it is
about, and saved views of its runs.

MLflow keeps saved views as experiment tags (``mlflow.sharedViewState.<key>``), in a form that is not
documented: JSON of name, times and state, the state being base64 of zlib of JSON. Seen in MLflow 3.17; a
version that does not know them shows its plain table of runs.
"""

from __future__ import annotations

import base64
import hashlib
import json
import logging
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlflow_xfer.errors import XferError
from mlflow_xfer.markdown import plain
from mlflow_xfer.tracking import links, names, runs

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from mlflow_xfer.tracking.runs import RunView
    from mlflow_xfer.tracking.session import Session

log = logging.getLogger(__name__)

NOTE = "mlflow.note.content"
PRIMARY_METRIC = "selected/avg"
SUMMARIES = (
    PRIMARY_METRIC,
    *(f"selected/{end}" for end in ("avg_low", "avg_high", "delta", "delta_low", "delta_high")),
)
"""Of all tasks together the mean, its interval, and its difference to a baseline, with that interval."""
VERDICT_TAG = "xfer.verdict"  # one line on studies, searches and conditions that nothing stands above
WRITTEN_TAG = "xfer.front"  # digest of the description as the program left it
SHOWN = 8  # verdicts in a description, the newest first
VIEW_VERSION = 1  # of the keys of saved views


@dataclass(frozen=True)
class View:
    """A saved view: its runs (a filter), their order, and the columns."""

    key: str
    name: str
    filter: str
    columns: Sequence[str]
    order: str = f"metrics.`{PRIMARY_METRIC}`"

    def state(self) -> dict[str, Any]:
        """What MLflow's runs page keeps in its address and in its view."""
        return {
            "searchFilter": self.filter,
            "orderByKey": self.order,
            "orderByAsc": False,
            "startTime": "ALL",
            "lifecycleFilter": "Active",
            "modelVersionFilter": "All Runs",
            "datasetsFilter": [],
            "selectedColumns": list(self.columns),
        }

    def tag(self) -> str:
        """The value of the experiment's tag."""
        packed = base64.b64encode(zlib.compress(json.dumps(self.state()).encode())).decode()
        return json.dumps({"name": self.name, "createdAt": 0, "updatedAt": 0, "state": f"deflate;{packed}"})


def _metrics(*keys: str) -> list[str]:
    return [f"metrics.`{key}`" for key in keys]


VIEWS = {
    view.name: view
    for view in (
        View(
            f"xfer-conditions-{VIEW_VERSION}",
            "Conditions",
            "tags.`xfer.kind` = 'condition'",
            _metrics(*SUMMARIES),
        ),
        View(
            f"xfer-trials-{VIEW_VERSION}",
            "Trials, best first",
            "tags.`xfer.kind` = 'trial'",
            [*_metrics(PRIMARY_METRIC), "params.`intermediate`"],
        ),
        View(
            f"xfer-phases-{VIEW_VERSION}",
            "Phases",
            "tags.`xfer.kind` = 'phase'",
            [
                "attributes.`Duration`",
                "tags.`xfer.phase`",
                *_metrics("train/seconds", "train/optimizer_steps"),
            ],
            order="attributes.start_time",
        ),
    )
}


def update(store: Session) -> None:
    """Write the experiment's description anew, from the verdicts of its runs, and its views and metric.

    A description that somebody else wrote or changed is left alone. Of a user who may not set an experiment's
    tags nothing is asked.
    """
    from mlflow.exceptions import MlflowException

    try:
        experiment = store.ask(lambda: store.client.get_experiment(store.experiment_id))
        for key, value in _tags(store, experiment.tags).items():
            if experiment.tags.get(key) != value:
                store.ask(
                    lambda key=key, value=value: store.client.set_experiment_tag(
                        store.experiment_id, key, value
                    )
                )
    except (MlflowException, XferError) as error:
        log.info("The experiment's description is left as it is: %s", str(error).splitlines()[0][:200])


def _tags(store: Session, present: Mapping[str, str]) -> dict[str, str]:
    tags = {f"mlflow.sharedViewState.{view.key}": view.tag() for view in VIEWS.values()}
    tags["mlflow.experiment.primaryMetric.name"] = PRIMARY_METRIC
    note = present.get(NOTE, "")
    if note and _digest(note) != present.get(WRITTEN_TAG):
        return tags
    verdicts = store.ask(
        lambda: runs.search(
            store.client,
            f"tags.`{VERDICT_TAG}` LIKE '%'",
            experiment_ids=[store.experiment_id],
            order_by=["attributes.start_time DESC"],
            limit=SHOWN,
        )
    )
    if not verdicts:
        return tags
    text = names.tag(described(verdicts, store.experiment_id))
    return {WRITTEN_TAG: _digest(text), **tags, NOTE: text}


def described(verdicts: Sequence[RunView], experiment_id: str) -> str:
    """The experiment's description, of runs that found something, the newest first.

    MLflow shows its first line alone until it is unfolded.
    """
    first, *earlier = (_linked(run, experiment_id) for run in verdicts)
    views = [f"[{view.name}]({links.inside_view(experiment_id, view.key)})" for view in VIEWS.values()]
    lines = [f"**{first}**", "", " · ".join(views), "", verdicts[0].tags.get(NOTE, "")]
    lines += ["", "Earlier:", "", *(f"- {one}" for one in earlier)] if earlier else []
    return "\n".join(lines)


def _linked(run: RunView, experiment_id: str) -> str:
    page = links.inside(experiment_id, run.run_id, run.tags.get(links.PAGE_TAG, ""))
    return f"[{plain(run.name)}: {plain(run.tags[VERDICT_TAG])}]({page})"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def newest(client: MlflowClient, uri: str) -> str:
    """The newest verdict of a store and where it is shown; empty if there is none."""
    found = runs.search(
        client, f"tags.`{VERDICT_TAG}` LIKE '%'", order_by=["attributes.start_time DESC"], limit=1
    )
    return "\n".join(
        f"{run.name}: {run.tags[VERDICT_TAG]}\n"
        + links.page(uri, run.experiment_id, run.run_id, run.tags.get(links.PAGE_TAG, ""))
        for run in found
    )


if __name__ == "__main__":  # before `make ui` serves the store that MLflow's settings name
    import mlflow

    print(newest(mlflow.MlflowClient(), mlflow.get_tracking_uri()), flush=True)
