"""The part of a study's page that is about few-shot curves: scores over labelled rows, with intervals, and
how many rows an intermediate task is worth.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from mlflow_xfer.reporting.columns import points
from mlflow_xfer.reporting.hypertext import Raw, element, table
from mlflow_xfer.reporting.parts import box, interval, paragraph
from mlflow_xfer.stats.means import infer
from mlflow_xfer.studies.contrasts import Found
from mlflow_xfer.studies.curves import blocks_of, means_of
from mlflow_xfer.studies.line_chart import Line, lines
from mlflow_xfer.studies.scores import gained
from mlflow_xfer.studies.study import Study


def shots(study: Study, frame: pd.DataFrame, found: Sequence[Found]) -> tuple[Raw, Raw]:
    """Every curve over its axis; of each place the score and what it has more than the first curve there."""
    blocks, facts = blocks_of(study, frame), {arm.name: arm.facts for arm in study.arms}
    means, first = means_of(blocks), study.curves[0]
    drawn, rows = [], []
    for one in study.curves:
        across = [facts[name][one.axis] for name in one.arms]
        drawn.append(Line(one.name, across, [means[name] for name in one.arms]))
        for name, n, beside in zip(one.arms, across, first.arms, strict=True):
            score = infer(blocks[name])
            more = infer(gained(blocks, beside, name))
            rows.append(
                [
                    one.name,
                    f"{n:g}",
                    points(score.estimate),
                    interval(score.low, score.high),
                    *(
                        [points(more.estimate, True), interval(more.low, more.high, True)]
                        if name != beside
                        else ["", ""]
                    ),
                ]
            )
    drawing = lines(drawn, across=first.axis, up="mean score")
    shown = table(
        ["curve", first.axis, "score", "interval", f"more than {first.name}", "interval"],
        rows,
        caption="Mean over targets, languages and seeds; rows: labelled, of each evaluated language",
        numeric={1, 2, 4},
    )
    alone = drawn[0]
    worth = [
        paragraph(f"{one.name}: {_worth(alone, one.up[0], first.axis)}") for one in drawn[1:] if len(one.up)
    ]
    return drawing, element("div", box(drawing, "few-shot curves"), shown, *worth)


def _worth(alone: Line, score: float, axis: str) -> str:
    """How many rows the curve without anything needs for ``score``, between its places on straight lines."""
    n, first = rows_worth(alone.across, alone.up, score), alone.across[0]
    given = f"with {first:g} {axis}" if first else "for nothing"
    if n is None:
        return f"what it gives {given} is more than {alone.across[-1]:g} {axis} give without it."
    if n <= first:
        without = f"with {first:g}" if first else "without"
        return f"{without} labelled {axis} it gives no more than {alone.name}."
    return f"what it gives {given} takes about {n:.0f} {axis} of each language without it."


def rows_worth(across: Sequence[float], up: Sequence[float], score: float) -> float | None:
    """Where a curve first reaches ``score``; None: nowhere."""
    if up[0] >= score:
        return float(across[0])
    for n in range(1, len(up)):
        if up[n] >= score:
            return float(np.interp(score, [up[n - 1], up[n]], [across[n - 1], across[n]]))
    return None
