"""What conditions are compared on: the baseline, and the tasks and languages that they share."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from mlflow_xfer import languages
from mlflow_xfer.errors import XferError
from mlflow_xfer.registry import unknown
from mlflow_xfer.stats.frame import KEY, quote

BASELINES = ("none", "baseline")  # what a condition without intermediate task is called


def baseline_of(names: list[str], asked: str | None) -> str | None:
    if asked is not None and asked not in names:
        raise unknown("baseline", asked, names)
    if asked is not None or len(names) == 1:
        return asked if len(names) > 1 else None
    for name in BASELINES:
        if name in names:
            return name
    raise XferError(
        "There is no condition 'none' to compare with.",
        f"Say which one is the baseline: {', '.join(names[:12])}",
    )


def common(frame: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """The (task, language) pairs that every condition has, and what was left out."""
    units = frame.groupby(["task", "language"])["condition"].nunique()
    full = set(units[units == frame["condition"].nunique()].index)
    if not full:
        raise XferError("No task and language is in every condition.", "Compare conditions that share some.")
    keep = pd.MultiIndex.from_frame(frame[["task", "language"]]).isin(full)
    lost = len(units) - len(full)
    return frame[keep], [
        f"{lost} of {len(units)} task-language pairs are not in every condition and were left out"
    ] if lost else []


def in_codes(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with each language by its code in the table.

    Raises:
        XferError: unknown languages, or cells that are one once languages are called by their codes.
    """
    languages.resolve(frame["language"].unique())
    known = frame.assign(language=frame["language"].map(languages.named))
    twice = known.duplicated(KEY, keep=False)
    if twice.any():
        names = sorted(set(frame.loc[twice, "language"]))
        raise XferError(
            f"{twice.sum()} rows are duplicates of a cell, as {', '.join(names)} name the same languages:\n"
            f"{quote(frame[twice].sort_values(['condition', 'task', 'base_seed', 'seed']), KEY)}",
            "One score per condition, task, language and seed.",
        )
    return known


def refuse_gaps(groups: Mapping[str, pd.DataFrame], baseline: str | None) -> None:
    """Refuse conditions whose tasks and languages differ, naming the cells."""
    every = {name: set(zip(g["task"], g["language"], strict=True)) for name, g in groups.items()}
    union = set().union(*every.values())
    lacking = [(name, *unit) for name, own in every.items() for unit in sorted(union - own)]
    if lacking:
        rows = pd.DataFrame(lacking, columns=["condition", "task", "language"])
        raise XferError(
            f"{len(rows)} cells are missing in some conditions:\n"
            f"{quote(rows, ['condition', 'task', 'language'])}",
            "Run them, or compare what all have: missing=common",
        )


def units_of(frame: pd.DataFrame) -> list[tuple[str, str]]:
    """The (task, language) pairs of a frame."""
    return sorted(set(zip(frame["task"], frame["language"], strict=True)))


def beside(groups: Mapping[str, pd.DataFrame], name: str, base: str) -> pd.DataFrame:
    """The rows of two conditions on what both have; none if there is nothing."""
    both = pd.concat([groups.get(one, pd.DataFrame(columns=KEY)) for one in (name, base)])
    units = pd.MultiIndex.from_frame(both[["task", "language"]])
    common = set.intersection(*(set(units[both["condition"] == one]) for one in (name, base)))
    return both[units.isin(common)]
