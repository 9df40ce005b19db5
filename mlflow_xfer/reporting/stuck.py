"""Trainings that learned nothing which the most frequent answer would not have said. Where other seeds of the
same condition did, they widen an interval, or make a difference, without a task's doing: fine-tuning of large
encoders fails now and then (Mosbach et al. 2021, arXiv 2006.04884). They count, and are named. Where no seed
of a condition did, or no condition, that they are alike says nothing of what they were trained on before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

LISTED = 6

Stuck = Mapping[tuple[str, str], tuple[str, ...]]


def stuck(frame: pd.DataFrame, margin: float) -> dict[tuple[str, str], tuple[str, ...]]:
    """By condition and task, the seeds of such trainings; none of a condition all of whose seeds are so.

    Args:
        frame: scores, with a column ``majority``: what the most frequent answer scores.
        margin: points that the mean over languages may be above that.
    """
    means, found = _means(frame), {}
    bases = "base_seed" in means
    for (condition, task), of in means.groupby(["condition", "task"], sort=False):
        low = of[of["score"] <= of["majority"] + margin]
        if 0 < len(low) < len(of):
            named = [
                f"{row.seed} of base {row.base_seed}" if bases else str(row.seed) for row in low.itertuples()
            ]
            found[str(condition), str(task)] = tuple(named)
    return found


def unlearned(frame: pd.DataFrame, margin: float) -> tuple[str, ...]:
    """The tasks on which no condition was better with any seed; arguments as of :func:`stuck`."""
    means = _means(frame)
    best = (means["score"] - means["majority"]).groupby(means["task"], sort=False).max()
    return tuple(map(str, best.index[best <= margin]))


def learned_nothing(frame: pd.DataFrame, margin: float) -> dict[str, tuple[str, ...]]:
    """By task that some condition learned, those that did with none of their seeds; arguments as of
    :func:`stuck`."""
    means = _means(frame)
    above = (
        (means["score"] - means["majority"]).groupby([means["task"], means["condition"]], sort=False).max()
    )
    found = {}
    for task, best in above.groupby(level="task", sort=False):
        low = best.index[best <= margin].get_level_values("condition")
        if 0 < len(low) < len(best):
            found[str(task)] = tuple(map(str, low))
    return found


def remarks(frame: pd.DataFrame, margin: float) -> list[str]:
    """All of these in sentences."""
    every = (
        said(stuck(frame, margin)),
        said_of_nothing(learned_nothing(frame, margin)),
        said_of_unlearned(unlearned(frame, margin)),
    )
    return [sentence for sentence in every if sentence]


def _means(frame: pd.DataFrame) -> pd.DataFrame:
    """Of each training its score and the most frequent answer's, means over the languages where both are
    known; the base's seed, if there are several."""
    if "majority" not in frame:
        frame = frame.assign(majority=float("nan"))
    bases = "base_seed" in frame and frame["base_seed"].nunique() > 1
    keys = ["condition", "task", *(["base_seed"] if bases else []), "seed"]
    known = frame.dropna(subset=["score", "majority"])
    return known.groupby(keys, sort=False)[["score", "majority"]].mean().reset_index()


def said(found: Stuck) -> str:
    """In words; nothing where there are none."""
    each = [f"{condition} on {task} (seed {', '.join(seeds)})" for (condition, task), seeds in found.items()]
    if not each:
        return ""
    return (
        f"No better than the most frequent answer, unlike other seeds of the same: {_first(each, '; ')}. "
        "They count."
    )


def said_of_nothing(found: Mapping[str, Sequence[str]]) -> str:
    """In words; nothing where there are none."""
    each = [f"on {task} {_first(conditions, ', ')}" for task, conditions in found.items()]
    if not each:
        return ""
    return (
        f"With no seed better than the most frequent answer, unlike other conditions: {_first(each, '; ')}. "
        "That such conditions are alike says nothing of what they learned before."
    )


def said_of_unlearned(tasks: Sequence[str]) -> str:
    """In words; nothing where there are none."""
    if not tasks:
        return ""
    return (
        f"No condition is better than the most frequent answer on {_first(tasks, ', ')}: nothing was learned "
        "there, and what was trained before cannot show."
    )


def _first(names: Sequence[str], between: str) -> str:
    """The first of them, and how many more there are."""
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return f"{between.join(names[:LISTED])}{more}"
