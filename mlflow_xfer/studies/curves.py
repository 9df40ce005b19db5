"""Parts of a study's page that are about its curves: their course, what tasks contribute, what dose does."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from mlflow_xfer.errors import XferError
from mlflow_xfer.reporting.columns import points
from mlflow_xfer.reporting.hypertext import Raw, element, table
from mlflow_xfer.reporting.parts import box, interval, numbers_behind, paragraph
from mlflow_xfer.reporting.verdict import p_text
from mlflow_xfer.stats.blocks import Cells, cells
from mlflow_xfer.stats.contribution import shapley
from mlflow_xfer.stats.frame import check
from mlflow_xfer.stats.means import infer
from mlflow_xfer.studies.contrasts import Found
from mlflow_xfer.studies.line_chart import Line, lines
from mlflow_xfer.studies.orders import height
from mlflow_xfer.studies.scores import COLUMNS, check_alike, gained, without_own_targets
from mlflow_xfer.studies.study import Arm, Curve, Study

DOSE = "rows a task"


def blocks_of(study: Study, frame: pd.DataFrame) -> dict[str, Cells]:
    """Of each arm its scores, on targets that are no arm's own task."""
    checked = check(without_own_targets(frame)[[name for name in COLUMNS if name in frame]])
    return {arm.name: cells(checked, arm.name) for arm in study.arms}


def means_of(blocks: Mapping[str, Cells]) -> dict[str, float]:
    """Of each arm the mean over replicates, tasks and languages."""
    return {name: float((block.values * block.weights).sum(-1).mean()) for name, block in blocks.items()}


def steps(curve: Curve, blocks: Mapping[str, Cells]) -> pd.DataFrame:
    """What each step along a curve adds: columns from, to, estimate, low, high, p."""
    rows = []
    for first, second in zip(curve.arms, curve.arms[1:], strict=False):
        more = infer(gained(blocks, first, second))
        rows.append((first, second, more.estimate, more.low, more.high, more.p))
    return pd.DataFrame(rows, columns=["from", "to", "estimate", "low", "high", "p"])


def curve(study: Study, frame: pd.DataFrame, found: Sequence[Found]) -> tuple[Raw, Raw]:
    """All curves in one drawing; of the named ones best place, height and regret; the first one's steps.
    Where curves are on different targets, each says which, and its regret is to arms on the same."""
    blocks = blocks_of(study, frame)
    means, facts = means_of(blocks), {arm.name: arm.facts for arm in study.arms}
    axis, several = study.curves[0].axis, len({block.units for block in blocks.values()}) > 1
    drawn, rows = [], []
    for one in study.curves:
        check_alike(blocks, one.arms)
        on = blocks[one.arms[0]]
        most = max(means[name] for name, block in blocks.items() if block.units == on.units)
        name = f"{one.name} ({', '.join(on.tasks)})" if several else one.name
        across, up = [facts[name][axis] for name in one.arms], [means[name] for name in one.arms]
        drawn.append(Line(name, across, up, one.random))
        best = int(np.argmax(up))
        high = sum(share * means[name] for name, share in height(one, study.arms).items())
        rows.append([name, f"{across[best]:g}", *map(points, (up[best], high)), points(most - up[best])])
    drawing = lines(drawn, across=axis, up="mean score")
    shown = table(
        ["curve", f"best {axis}", "score there", "mean height", "regret"],
        rows,
        caption="Regret: what the best of all arms has more than the best of the curve. Both are chosen by "
        "the scores that are shown, hence too high",
        numeric={1, 2, 3, 4},
    )
    added = table(
        ["from", "to", "points", "interval", "p"],
        [
            [r[0], r[1], points(r[2], True), interval(r[3], r[4], True), p_text(r[5])]
            for r in steps(study.curves[0], blocks).itertuples(index=False)
        ],
        caption=f"What each step of the curve {study.curves[0].name} adds",
        numeric={2, 4},
    )
    inside = numbers_behind("Where the random orders lie", _ranks(found)) if _ranked(found) else None
    return drawing, element("div", box(drawing, "curves"), shown, added, inside)


def _ranked(found: Sequence[Found]) -> list[Found]:
    return [one for one in found if one.contrast.kind == "order" and one.table is not None]


def _ranks(found: Sequence[Found]) -> Raw:
    rows = [
        [one.contrast.name, str(r[0]), points(float(r[1]), True)]
        for one in _ranked(found)
        if one.table is not None
        for r in one.table.itertuples(index=False)
    ]
    return table(["contrast", "order", "height"], rows, caption="To the mean random order", numeric={2})


def tasks_of(arm: Arm) -> frozenset[str]:
    """The intermediate tasks of an arm."""
    said = str(arm.params.get("intermediate", "none"))
    return frozenset(said.split(",")) - {"none"}


def orders_of(study: Study, means: Mapping[str, float]) -> pd.DataFrame:
    """The random orders step by step, as :func:`~mlflow_xfer.stats.contribution.shapley` takes them.

    Raises:
        XferError: an order that adds several tasks at once: what each of them adds cannot be told apart.
    """
    arms, rows = {arm.name: arm for arm in study.arms}, []
    for one in (curve for curve in study.curves if curve.random):
        sets = [tasks_of(arms[name]) for name in one.arms]
        rows.append((one.name, 0, "", means[one.arms[0]]))
        for place, (before, after) in enumerate(zip(sets, sets[1:], strict=False), 1):
            if len(after - before) != 1:
                raise XferError(
                    f"{one.name} adds {len(after - before)} tasks at once; each task's contribution takes "
                    "orders that have every step (effort=registered).",
                    "Declare arms for every number of tasks.",
                )
            rows.append((one.name, place, *(after - before), means[one.arms[place]]))
    return pd.DataFrame(rows, columns=["order", "position", "task", "score"])


def contributions(study: Study, frame: pd.DataFrame, found: Sequence[Found]) -> tuple[Raw, Raw]:
    """Shapley values of tasks over the random orders; several axes (budgets) are not mixed."""
    blocks = blocks_of(study, frame)
    check_alike(blocks, (name for one in study.curves if one.random for name in one.arms))
    values = shapley(orders_of(study, means_of(blocks)))
    rows = [
        [str(r[0]), points(float(r[1]), True), interval(float(r[2]), float(r[3]), True), str(r[4])]
        for r in values.itertuples(index=False)
    ]
    shown = table(
        ["task", "points", "interval", "orders"],
        rows,
        caption="What each task adds on average over random orders (Shapley value): unbiased; the order is "
        "the unit, given these seeds and bases",
        numeric={1, 3},
    )
    return Raw(""), shown


def dose_slopes(study: Study, blocks: Mapping[str, Cells]) -> pd.DataFrame:
    """What twice the rows of each task do, within sets of tasks that have several doses; and what one more
    task does where that is taken off: columns term, estimate, low, high, p, from least squares per replicate.

    Raises:
        XferError: no set of tasks has several doses.
    """
    arms = [arm for arm in study.arms if arm.facts.get(DOSE) and "tasks" in arm.facts]
    if not arms:
        raise XferError(f"no arm says its number of tasks and {DOSE}.", "Say them in the arms' `facts`.")
    check_alike(blocks, (arm.name for arm in arms))
    scores = np.stack([(blocks[arm.name].values * blocks[arm.name].weights).sum(-1) for arm in arms])
    rows_of = np.array([math.log2(arm.facts[DOSE]) for arm in arms])
    sets = [tasks_of(arm) for arm in arms]
    alike = np.array([[float(one == other) for other in sets] for one in sets])
    within = rows_of - alike @ rows_of / alike.sum(1)
    if not (within**2).sum() > 1e-9:
        raise XferError(
            "no set of tasks has several doses: the number of tasks and the rows of each do not vary apart.",
            "Compare a growing with a fixed budget (effort=registered).",
        )
    twice = np.tensordot(within, scores, 1) / (within**2).sum()
    rest = scores - rows_of[:, None, None] * twice
    number = np.array([(1.0, arm.facts["tasks"]) for arm in arms])
    more = np.tensordot(np.linalg.pinv(number)[1], rest, 1)
    first, rows = blocks[arms[0].name], []
    for term, values in (("one more task", more), ("twice the rows of each task", twice)):
        block = replace(first, values=values[..., None], units=(("all", "en"),), weights=np.ones(1))
        slope = infer(block)
        rows.append((term, slope.estimate, slope.low, slope.high, slope.p))
    return pd.DataFrame(rows, columns=["term", "estimate", "low", "high", "p"])


def dose(study: Study, frame: pd.DataFrame, found: Sequence[Found]) -> tuple[Raw, Raw]:
    """What the number of tasks does at the same dose of each, and what dose does."""
    slopes = dose_slopes(study, blocks_of(study, frame))
    rows = [
        [str(r[0]), points(float(r[1]), True), interval(float(r[2]), float(r[3]), True), p_text(float(r[4]))]
        for r in slopes.itertuples(index=False)
    ]
    shown = table(
        ["", "points", "interval", "p"],
        rows,
        caption="Rows: within sets of tasks that have several doses; tasks: at the same rows of each",
        numeric={1, 3},
    )
    return Raw(""), element("div", shown, paragraph("Interval: seeds and bases, given these arms."))
