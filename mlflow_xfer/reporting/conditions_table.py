"""The conditions of an analysis beside each other, over all tasks."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from mlflow_xfer.reporting.analysis import Analysis
from mlflow_xfer.stats.ranking import mean_ranks


def differences_table(analysis: Analysis) -> pd.DataFrame:
    """One row per condition: mean, interval, against which condition, difference to that one with interval,
    p, corrected p, verdict, seeds, Borda rank."""
    by_name = {one.condition: one for one in analysis.contrasts}
    ranks = borda(analysis)
    rows = []
    for name in [*([analysis.baseline] if analysis.baseline else []), *analysis.ranked]:
        mean, one = analysis.means[name], by_name.get(name)
        rows.append(
            {
                "condition": name,
                "mean": mean.estimate,
                "mean_low": mean.low,
                "mean_high": mean.high,
                "against": one.baseline if one else "",
                "difference": one.estimate if one else math.nan,
                "low": one.low if one else math.nan,
                "high": one.high if one else math.nan,
                "p": one.p if one else math.nan,
                "p_corrected": one.p_corrected if one else math.nan,
                "verdict": one.shown if one else "baseline",
                "status": one.status if one else "",
                "seeds": mean.n["seeds"],
                "borda": ranks.get(name, math.nan),
            }
        )
    return pd.DataFrame(rows)


def borda(analysis: Analysis) -> dict[str, float]:
    """Each condition's rank among all (1: best, ties share their places), mean over the languages of each
    task and then over tasks: no task counts more because its scores lie further apart. Over the tasks and
    languages that count for all conditions; none: no ranks.
    """
    # The mean of the same scores differs by rounding in another order of seeds, which is no better place.
    scores = {
        name: dict(zip(block.units, block.values.mean((0, 1)).round(9).tolist(), strict=True))
        for name, block in analysis.blocks.items()
    }
    units = sorted(set.intersection(*map(set, scores.values())))
    if len(scores) < 2 or not units:
        return {}
    by_task = [
        mean_ranks([{name: of[unit] for name, of in scores.items()} for unit in units if unit[0] == task])
        for task in dict.fromkeys(task for task, _ in units)
    ]
    return {name: float(np.mean([ranks[name] for ranks in by_task])) for name in scores}
