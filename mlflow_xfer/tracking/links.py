"""Addresses of pages in MLflow's UI.

A new experiment opens in the UI's GenAI view, so every link asks for the machine-learning one; an
order by a metric is what makes the runs table show nested runs as a flat leaderboard.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from urllib.parse import quote, urlsplit

from mlflow_xfer.tracking.uris import is_server, typed

_VIEW = "workflowType=machine_learning"


def base(tracking_uri: str) -> str:
    """The UI's address: the server itself, or where ``mlflow ui`` serves by default."""
    if is_server(tracking_uri):
        parts = urlsplit(tracking_uri)
        host = parts.netloc.rsplit("@", 1)[-1]
        return f"{parts.scheme}://{host}{parts.path.rstrip('/')}"
    return "http://127.0.0.1:5000"


def run(tracking_uri: str, experiment_id: str, run_id: str) -> str:
    return f"{base(tracking_uri)}/#/experiments/{experiment_id}/runs/{run_id}?{_VIEW}"


def runs(
    tracking_uri: str,
    experiment_id: str,
    *,
    kind: str = "",
    order_by: str = "",
    mode: str = "",
    tags: Mapping[str, str] = {},
) -> str:  # noqa: B006 (read only)
    """The runs table of an experiment.

    Args:
        kind, tags: show only runs of this ``xfer.kind``, and with these tags.
        order_by: metric to order by, best first; makes the table flat.
        mode: ``CHART`` or ``ARTIFACT`` instead of the table.
    """
    link = f"{base(tracking_uri)}/#/experiments/{experiment_id}/runs?{_VIEW}"
    wanted = [
        *([f"tags.xfer.kind = '{kind}'"] if kind else []),
        *(f"tags.`{name}` = '{value}'" for name, value in tags.items()),
    ]
    if wanted:
        link += "&searchFilter=" + quote(" AND ".join(wanted))
    if mode:
        link += f"&compareRunsMode={mode}"
    if order_by:
        link += "&orderByKey=" + quote(f"metrics.`{order_by}`", safe=".") + "&orderByAsc=false"
    return link


REPORT, VERDICT = "report.html", "verdict.json"
PAGE_TAG = "xfer.page"  # the artifact of a run that shows what it found


def page(tracking_uri: str, experiment_id: str, run_id: str, artifact: str = REPORT) -> str:
    """A run's artifact as MLflow shows it: of a study, its report."""
    return f"{base(tracking_uri)}/{inside(experiment_id, run_id, artifact)}"


def inside(experiment_id: str, run_id: str, artifact: str = "") -> str:
    """A run, or an artifact of it, from a page of MLflow: whatever address it is served under."""
    to = f"/artifacts/{quote(artifact)}" if artifact else ""
    return f"#/experiments/{experiment_id}/runs/{run_id}{to}?{_VIEW}"


def inside_view(experiment_id: str, key: str) -> str:
    """A saved view of an experiment's runs, from a page of MLflow."""
    return f"#/experiments/{experiment_id}/runs?{_VIEW}&viewStateShareKey={key}"


def compare(tracking_uri: str, experiment_id: str, run_ids: Sequence[str]) -> str:
    """Parallel coordinates, scatter, box and contour plots of these runs."""
    wanted, experiments = (
        quote(json.dumps(list(ids), separators=(",", ":"))) for ids in (run_ids, [experiment_id])
    )
    return f"{base(tracking_uri)}/#/compare-runs?runs={wanted}&experiments={experiments}"


def opener(tracking_uri: str) -> str:
    """The command that serves the UI for a store that is no server; empty for a server."""
    return "" if is_server(tracking_uri) else f"mlflow ui --backend-store-uri {typed(tracking_uri)}"


def shown(tracking_uri: str, link: str) -> str:
    """``link`` as a command prints it, on the last line;
    before it the command to type where no server runs.
    """
    command = opener(tracking_uri)
    return f"To see it in MLflow: {command}\n{link}" if command else link
