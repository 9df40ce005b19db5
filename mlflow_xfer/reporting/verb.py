"""The verb ``report``: from runs in a tracking store to files, and into a run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from mlflow_xfer.reporting.document import Report, make_report
from mlflow_xfer.reporting.imported import read_scores
from mlflow_xfer.tracking.results import costs, results

if TYPE_CHECKING:
    from mlflow_xfer.tracking.store import Store


def report_runs(
    store: Store,
    asked: Sequence[str] = (),
    out_dir: str | Path = "report",
    *,
    question: str = "",
    filter: str = "",
    imports: Sequence[str | Path] = (),
    run_id: str | None = None,
    **options: Any,
) -> Report:
    """Report on the evaluations behind runs.

    Args:
        asked, filter: as in :func:`mlflow_xfer.tracking.results.results`.
        out_dir: where the files go.
        imports: score tables of earlier papers (CSV or XTREME's JSON).
        run_id: a run that gets the files as artifacts and the short form as its description.
        options: of :func:`mlflow_xfer.reporting.document.report` (baseline, registered, margin,
            population, measure, missing).
    """
    frame = results(store, asked, filter=filter)
    earlier = [read_scores(path) for path in imports]
    said = ["mlflow-xfer report " + " ".join(asked)] if asked else ["mlflow-xfer report"]
    made = make_report(
        frame,
        out_dir,
        question,
        costs=costs(store, frame["run_id"].unique()),
        imported=pd.concat(earlier, ignore_index=True) if earlier else None,
        reproduce=options.pop("reproduce", said),
        **options,
    )
    if run_id:
        attach(store, run_id, made, out_dir)
    return made


def attach(store: Store, run_id: str, made: Report, out_dir: str | Path) -> None:
    """Log the files of a report that was saved, and its short form as the run's description."""
    for path in sorted(Path(out_dir).iterdir()):
        store.artifact(run_id, path, path.name if path.is_dir() else None)
    store.tags(run_id, {"mlflow.note.content": made.description})
