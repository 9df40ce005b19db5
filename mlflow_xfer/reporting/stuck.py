"""Trainings that learned nothing which the most frequent answer would not have said, where other seeds of the
same condition did: fine-tuning of large encoders fails now and then (Mosbach et al. 2021, arXiv 2006.04884).
Such seeds widen an interval, or make a difference, without a task's doing: they count, and are named.
"""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

LISTED = 6

Stuck = Mapping[tuple[str, str], tuple[str, ...]]


def stuck(frame: pd.DataFrame, margin: float) -> dict[tuple[str, str], tuple[str, ...]]:
    """By condition and task, the seeds of such trainings; none of a condition all of whose seeds are so.

    Args:
        frame: scores, with a column ``majority``: what the most frequent answer scores.
        margin: points that the mean over languages may be above that.
    """
    if "majority" not in frame:
        return {}
    bases = "base_seed" in frame and frame["base_seed"].nunique() > 1
    keys = ["condition", "task", *(["base_seed"] if bases else []), "seed"]
    means = frame.groupby(keys, sort=False)[["score", "majority"]].mean().dropna().reset_index()
    found = {}
    for (condition, task), of in means.groupby(["condition", "task"], sort=False):
        low = of[of["score"] <= of["majority"] + margin]
        if 0 < len(low) < len(of):
            named = [
                f"{row.seed} of base {row.base_seed}" if bases else str(row.seed) for row in low.itertuples()
            ]
            found[str(condition), str(task)] = tuple(named)
    return found


def said(found: Stuck) -> str:
    """In words; nothing where there are none."""
    each = [f"{condition} on {task} (seed {', '.join(seeds)})" for (condition, task), seeds in found.items()]
    if not each:
        return ""
    more = f" and {len(each) - LISTED} more" if len(each) > LISTED else ""
    return (
        f"No better than the most frequent answer, unlike other seeds of the same: "
        f"{'; '.join(each[:LISTED])}{more}. They count."
    )
