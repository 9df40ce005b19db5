"""What the pages of studies and conditions show in MLflow, written once at their end."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from mlflow_xfer.errors import TRY_AGAIN, XferError
from mlflow_xfer.reporting import answer, charts, drawing
from mlflow_xfer.reporting.analysing import analyse
from mlflow_xfer.reporting.analysis import Analysis
from mlflow_xfer.reporting.description import description
from mlflow_xfer.reporting.document import Report, report
from mlflow_xfer.reporting.sections import ROWS
from mlflow_xfer.tracking import front, links
from mlflow_xfer.tracking.results import scores_of

if TYPE_CHECKING:
    from mlflow_xfer.tracking.store import Store

logger = logging.getLogger(__name__)

FOREST, HEAT_MAP = "plots/forest.svg", "plots/heat_map.svg"


def write_study(
    store: Store,
    run_id: str,
    question: str,
    transfers: Mapping[str, Sequence[str]],
    against: Mapping[str, str],
) -> None:
    """Log a study's report and plots, and set its description; where its conditions cannot be compared the
    log says why.

    Args:
        transfers: the finished transfers of each condition.
        against: the condition that others are compared with.
    """
    baseline = next(iter(against.values()), None)
    try:
        frame = scores_of(store, transfers)
        made = report(
            frame,
            question=question,
            baseline=baseline,
            against=against,
            missing="common",
            reproduce=_commands(run_id),
        )
    except XferError as error:
        if error.exit_code == TRY_AGAIN:
            raise
        logger.warning("No report: %s", error)
        return
    publish(store, run_id, made, answer.short(made.analysis))


def publish(
    store: Store,
    run_id: str,
    made: Report,
    verdict: str,
    drawings: Mapping[str, str] = {},  # noqa: B006 (read only)
) -> None:
    """Log a report with its plots as the page of a study's run.

    Args:
        verdict: for places that show one line.
        drawings: further plots, by the name of their file.
    """
    with TemporaryDirectory() as folder:
        made.save(folder)
        plots = Path(folder) / Path(FOREST).parent
        plots.mkdir()
        for name, drawing in {**_plots(made.analysis), **drawings}.items():
            (Path(folder) / name).write_text(drawing, encoding="utf-8")
        for path in sorted(Path(folder).iterdir()):
            store.artifact(run_id, path, path.name if path.is_dir() else None)
    store.tags(
        run_id,
        {front.NOTE: made.description, front.VERDICT_TAG: verdict, links.PAGE_TAG: links.REPORT},
    )


def write_condition(
    store: Store,
    run_id: str,
    name: str,
    transfers: Sequence[str],
    against: str = "",
    base: Sequence[str] = (),
    *,
    alone: bool = False,
) -> None:
    """Set a condition's description: its scores, and beside another condition its differences.

    Args:
        against, base: the condition that it is compared with, and its finished transfers.
        alone: it is part of no study or search, so that the experiment's description names it.
    """
    of = {name: transfers} | ({against: base} if against and base and against != name else {})
    try:
        analysis = analyse(
            scores_of(store, of), baseline=against if len(of) > 1 else None, missing="common", detailed=False
        )
    except XferError as error:
        if error.exit_code == TRY_AGAIN:
            raise
        logger.info("No description of %s: %s", name, error)
        return
    text = description(analysis)
    store.tags(run_id, {front.NOTE: text})
    if alone:
        store.tags(run_id, {front.VERDICT_TAG: answer.short(analysis)})


def _plots(analysis: Analysis) -> dict[str, str]:
    """The forest plot of all conditions, and languages by conditions as a heat map."""
    if not analysis.contrasts:
        return {}
    compared = [one.condition for one in analysis.contrasts][:ROWS]
    gaps = analysis.differences("by_language")[compared]
    return {
        FOREST: drawing.standing_alone(charts.forest(analysis.contrasts[:ROWS])),
        HEAT_MAP: drawing.standing_alone(charts.heat_map(gaps)),
    }


def _commands(run_id: str) -> list[str]:
    return [f"mlflow-xfer report {run_id}"]
