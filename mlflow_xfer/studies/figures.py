"""The parts of a study's page that only some studies have, by the name that a study asks for them with."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from mlflow_xfer.errors import XferError
from mlflow_xfer.reporting import charts
from mlflow_xfer.reporting.columns import points
from mlflow_xfer.reporting.hypertext import Raw, element, table
from mlflow_xfer.reporting.parts import box, numbers_behind, paragraph, records
from mlflow_xfer.stats.components import components
from mlflow_xfer.stats.spread import describe
from mlflow_xfer.studies import curves, far, shots
from mlflow_xfer.studies.contrasts import Found
from mlflow_xfer.studies.scores import without_own_cells, without_own_targets
from mlflow_xfer.studies.study import Study
from mlflow_xfer.tasks.catalogue import TASKS

Part = tuple[str, Raw, Raw]  # name of the file, drawing, what stands on the page


def figures(study: Study, frame: pd.DataFrame, found: Sequence[Found]) -> list[Part]:
    """The parts that ``study`` asks for; of what cannot be drawn nothing."""
    parts = []
    for name in study.sections:
        try:
            drawing, shown = DRAWN[name](study, frame, found)
        except XferError as error:
            parts.append((name, Raw(""), paragraph(f"No figure of {name}: {error.what.splitlines()[0]}")))
            continue
        parts.append((name, drawing, shown))
    return parts


def spread(study: Study, frame: pd.DataFrame, found: Sequence[Found]) -> tuple[Raw, Raw]:
    """τ of each arm, the mean beside it, and seeds and languages apart; on targets that are no arm's own
    task, so that all arms are on the same."""
    rows, taus, counted = [], {}, without_own_targets(frame)
    if counted.empty:
        raise XferError("every target is an arm's own task.")
    for arm in study.arms:
        measured = describe(counted, arm.name)
        if measured["tau"].isna().all():
            raise XferError(f"no target has a τ for {arm.name!r}.")
        parts = apart(counted, arm.name)
        taus[arm.name] = float(np.nanmean(measured["tau"]))
        rows.append(
            [
                arm.name,
                f"{taus[arm.name]:.2f}",
                points(float(measured["mean"].mean())),
                *(points(float(parts.get(source, math.nan))) for source in ("seed", "language")),
            ]
        )
    drawing = charts.bars(list(taus), list(taus.values()), across="τ: spread across languages, logit scale")
    shown = table(
        ["arm", "τ", "mean", "sd of seeds", "sd of languages"],
        rows,
        caption="Spread across languages without English (mean over tasks), the mean and the seed beside it",
        numeric={1, 2, 3, 4},
    )
    by_task = [
        one.table.assign(contrast=one.contrast.name)
        for one in found
        if one.contrast.kind == "spread" and one.table is not None
    ]
    inside = numbers_behind("Ratios task by task", _ratios(pd.concat(by_task))) if by_task else None
    return drawing, element("div", box(drawing, "spread of each arm"), shown, inside)


def apart(frame: pd.DataFrame, arm: str) -> pd.Series:
    """By source, the standard deviation within a task, from the mean of the tasks' variances: what is easy
    for one task need not be for another, so that languages over all tasks alike would vary little.
    """
    own = frame[(frame["condition"] == arm) & (frame["language"] != "en")]
    parts = [components(one, arm).set_index("source")["component"] for _, one in own.groupby("task")]
    return pd.concat(parts, axis=1).mean(axis=1) ** 0.5


def _ratios(frame: pd.DataFrame) -> Raw:
    rows = [
        [
            *(r.contrast, r.task, str(r.languages)),
            *(f"{value:.2f}" if math.isfinite(value) else "–" for value in (r.ratio, r.low, r.high, r.p)),
        ]
        for r in records(frame)
    ]
    return table(
        ["contrast", "task", "languages", "ratio", "low", "high", "p"],
        rows,
        caption="τ ratios",
        numeric={2, 3, 4, 5, 6},
    )


def _means(study: Study, frame: pd.DataFrame) -> pd.DataFrame:
    """Means of arms (in the study's order) on targets."""
    wide: pd.DataFrame = (
        without_own_cells(frame)
        .astype({"condition": str, "task": str})
        .pivot_table(index="condition", columns="task", values="score")
    )
    return wide.reindex([arm.name for arm in study.arms])


def domains(study: Study, frame: pd.DataFrame, found: Sequence[Found]) -> tuple[Raw, Raw]:
    """What each domain's task does to the targets of each domain."""
    means = _means(study, frame)
    gaps = pd.DataFrame({name: means.loc[name] - means.loc[base] for name, base in study.against.items()})
    drawing = charts.heat_map(gaps, "target")
    rows = [[task, *(points(float(value), True) for value in gaps.loc[task])] for task in gaps.index]
    shown = table(
        ["target", *map(str, gaps)],
        rows,
        caption="Differences in points: what fits a target's domain stands in its own column",
        numeric=set(range(1, len(gaps.columns) + 1)),
    )
    return drawing, element("div", shown)


def arms_by_targets(study: Study, frame: pd.DataFrame, found: Sequence[Found]) -> tuple[Raw, Raw]:
    """The table of the paper: arms by targets, the average with and without what is not trained for."""
    means = _means(study, frame)
    targets = list(map(str, means))
    every = [task for task in targets if means[task].notna().all()]
    trained = [task for task in every if task not in TASKS or TASKS.get(task).trained]
    base = next(iter(study.against.values()), study.arms[0].name)
    gaps = means - means.loc[base]
    rows = []
    for name in means.index:
        values = (means if name == base else gaps).loc[name]
        cells = [*values, values[every].mean(), values[trained].mean()]
        rows.append([name, *(points(float(value), name != base) for value in cells)])
    shown = table(
        ["condition", *targets, "average", "avg, trained"],
        rows,
        caption=f"{base}: scores; other rows: differences to it in points{_averaged(every, targets)}",
        numeric=set(range(1, len(targets) + 3)),
    )
    drawing = charts.heat_map(gaps.drop(index=base).T, "target")
    chosen = [
        (one.contrast.name, one.table.itertuples(index=False))
        for one in found
        if one.contrast.kind == "best" and one.table is not None
    ]
    said = [
        paragraph(f"{name}: {', '.join(f'{task}: {arm}' for task, arm in rows)}.") for name, rows in chosen
    ]
    return drawing, element("div", shown, *said)


def _averaged(over: Sequence[str], targets: Sequence[str]) -> str:
    """What averages are over, where some arm was trained on a target before, or lacks it."""
    return "" if len(over) == len(targets) else f"; averages: over {', '.join(over) or 'nothing'} alone"


DRAWN: dict[str, Callable[[Study, pd.DataFrame, Sequence[Found]], tuple[Raw, Raw]]] = {
    "spread": spread,
    "domains": domains,
    "arms by targets": arms_by_targets,
    "curve": curves.curve,
    "shots": shots.shots,
    "contributions": curves.contributions,
    "dose": curves.dose,
    "morphology": far.morphology,
    "diversity": far.diversity,
}
