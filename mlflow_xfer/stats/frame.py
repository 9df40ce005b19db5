"""Tidy score tables: what the functions of this package take, and the checks that keep unlike numbers apart.

A tidy frame has one row per score with the columns ``condition``, ``task``, ``language``, ``seed``, ``score``
(0-100; from -100 where ``metric`` is a correlation), and optionally ``base_seed`` (0 where absent), ``n``
(test examples), ``example`` (then a row is one example's score), ``low`` and ``high`` (the score's own
interval), ``run_id`` (a run that logged it), and ``suite``, ``protocol``, ``metric``: what must not differ
within one comparison.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd

from mlflow_xfer import languages
from mlflow_xfer.errors import Problems, XferError

REQUIRED = ("condition", "task", "language", "seed", "score")
KEY = ["condition", "task", "language", "base_seed", "seed"]
CORRELATIONS = ("pearson", "spearman")
"""Metrics whose scores are -100 to 100, and no shares of right answers."""
SHOWN = 5  # rows quoted in an error
TELLING = 3  # different scores below 1 that show by their counts that they are percents


def quote(rows: pd.DataFrame, columns: list[str]) -> str:
    """The first rows as text for an error, and how many more there are."""
    lines = ["    " + ", ".join(f"{c}={row[c]}" for c in columns) for _, row in rows.head(SHOWN).iterrows()]
    if len(rows) > SHOWN:
        lines.append(f"    … and {len(rows) - SHOWN} more")
    return "\n".join(lines)


def _scale_problems(frame: pd.DataFrame, problems: Problems) -> None:
    score = frame["score"]
    outside = frame[(score > 100) | (score < np.where(correlated(frame), -100, 0))]
    if len(outside):
        problems.add(
            f"{len(outside)} scores lie outside 0-100:\n{quote(outside, [*KEY, 'score'])}",
            f"Accepted are 0-100, and from -100 where a column metric says {' or '.join(CORRELATIONS)}.",
        )
    if "run_id" in frame:  # what a run logged is 0-100 for sure, and may be next to nothing
        frame = frame[frame["run_id"].isna()]
    top = _top(frame)
    fractions = (top <= 1) & (top > 0)
    rows = on_two_scales(frame)
    if len(rows):
        problems.add(
            f"Scores on two scales: 0-1 in\n{quote(rows, ['condition', 'task'])}\n  and 0-100 elsewhere.",
            "Multiply the fractions by 100. Percents below 1 are known by a column n of test examples: "
            "they are whole numbers of these.",
        )
    elif len(top) and fractions.all(axis=None):
        problems.add(
            "All scores are at most 1: they look like fractions.", "Scores are 0-100: multiply them by 100."
        )


def on_two_scales(frame: pd.DataFrame) -> pd.DataFrame:
    """condition and task of what looks like fractions (0-1), where another condition of the task has
    percents: a task where nobody exceeds 1 can be a hard task."""
    top = _top(frame)
    fractions = (top <= 1) & (top > 0)
    by_task = fractions.loc[:, fractions.any() & (top > 1.5).any()]
    guilty = [
        (c, t)
        for t in by_task
        for c in by_task.index[by_task[t]]
        if not _percents(frame[(frame["condition"] == c) & (frame["task"] == t)])
    ]
    return pd.DataFrame(guilty, columns=["condition", "task"])


def _top(frame: pd.DataFrame) -> pd.DataFrame:
    """[conditions, tasks] the largest absolute score."""
    return frame["score"].abs().groupby([frame["condition"], frame["task"]], observed=True).max().unstack()


def correlated(frame: pd.DataFrame) -> pd.Series:
    """[rows] whether a score is a correlation."""
    return frame["metric"].isin(CORRELATIONS) if "metric" in frame else pd.Series(False, frame.index)


def _percents(rows: pd.DataFrame) -> bool:
    """Whether scores of at most 1 are percents for sure: whole numbers of ``n`` test examples. Fractions that
    look like that are of multiples of 100 examples, in every row.
    """
    if "n" not in rows:
        return False
    score = rows["score"]
    right = score * pd.to_numeric(rows["n"], errors="coerce") / 100
    telling = score[(score > 0) & (score < 1)].nunique()
    return telling >= TELLING and bool(((right - right.round()).abs() < 1e-3).all())


def check(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with ``base_seed`` filled in and examples averaged, after every check.

    Raises:
        XferError: all faults at once, each with the rows: missing columns, scores that are no numbers, of
            no test examples or outside 0-100 (correlations: -100 to 100), 0-1 beside 0-100, duplicate cells,
            two suites or protocols, two metrics for one task.
    """
    lacking = [c for c in REQUIRED if c not in frame.columns]
    if lacking:
        raise XferError(
            f"The table lacks the columns {', '.join(lacking)}.", f"Needed: {', '.join(REQUIRED)}"
        )
    if frame.empty:
        raise XferError(
            "The table has no rows.", "Was the search filter right? See: mlflow-xfer report --help"
        )
    frame = frame.assign(base_seed=frame["base_seed"].fillna(0) if "base_seed" in frame else 0)
    problems = Problems()
    frame = frame.assign(score=_numbers(frame, problems))
    if "n" in frame and len(none := frame[pd.to_numeric(frame["n"], errors="coerce") < 1]):
        problems.add(
            f"{len(none)} scores are of fewer than one test example:\n{quote(none, [*KEY, 'n'])}",
            "Leave n empty where it is unknown.",
        )
    _duplicates(frame, problems)
    _unlike(frame, problems)
    _scale_problems(frame, problems)
    problems.raise_if_any()
    return average_examples(frame) if "example" in frame else frame


def _numbers(frame: pd.DataFrame, problems: Problems) -> pd.Series:
    """The scores as numbers; raises what was found so far, and scores that are none."""
    blank = frame[frame[KEY].isna().any(axis=1)]
    if len(blank):
        problems.add(f"{len(blank)} rows name no condition, task, language or seed:\n{quote(blank, KEY)}")
    numbers = pd.to_numeric(frame["score"], errors="coerce")
    wrong = frame[~np.isfinite(numbers)]
    if len(wrong):
        problems.add(
            f"{len(wrong)} scores are no finite numbers:\n{quote(wrong, [*KEY, 'score'])}",
            "Leave unscored cells out.",
        )
        problems.raise_if_any()
    return numbers.astype(float)


def _duplicates(frame: pd.DataFrame, problems: Problems) -> None:
    unit = [*KEY, "example"] if "example" in frame else KEY
    twice = frame[frame.duplicated(unit, keep=False)]
    if len(twice):
        rows = quote(twice.sort_values(unit), [*unit, "score"])
        problems.add(
            f"{len(twice)} rows are duplicates of a cell:\n{rows}",
            "One score per condition, task, language and seed: name the runs, or keep the latest.",
        )


def _unlike(frame: pd.DataFrame, problems: Problems) -> None:
    """What must not differ within one comparison: suites, and within a task protocols and metrics."""
    apart = "Compare them in separate reports, or keep one."
    if "suite" in frame and frame["suite"].nunique(dropna=False) > 1:
        rows = frame[["condition", "suite"]].drop_duplicates()
        problems.add(f"Different suites in one comparison:\n{quote(rows, ['condition', 'suite'])}", apart)
    # by task: a task that is not trained has no protocol, what is prompted cannot have one
    if len(rows := _several(frame, "protocol")):
        problems.add(
            "Different protocols (how checkpoints were selected, shots, training set) in one "
            f"comparison:\n{quote(rows, ['condition', 'task', 'protocol'])}",
            apart,
        )
    for task, rows in _several(frame, "metric").groupby("task", observed=True):
        shown = quote(rows, ["condition", "task", "metric"])
        problems.add(f"Task {task!r} is scored by different metrics:\n{shown}")


def _several(frame: pd.DataFrame, column: str) -> pd.DataFrame:
    """condition, task and ``column`` of the tasks for which it says several things."""
    if column not in frame:
        return pd.DataFrame(columns=["condition", "task", column])
    said = frame.groupby("task", observed=True)[column].transform("nunique")
    return frame.loc[said > 1, ["condition", "task", column]].drop_duplicates()


def in_others(frame: pd.DataFrame, excluded: Iterable[str]) -> pd.DataFrame:
    """The rows in other languages than these, by whatever codes they are called.

    Raises:
        XferError: a language by several codes.
    """
    codes = languages.codes_of(frame["language"].unique())
    gone = set(map(languages.named, excluded))
    return frame[frame["language"].isin([name for name, code in codes.items() if code not in gone])]


def average_examples(frame: pd.DataFrame) -> pd.DataFrame:
    """Cells (with their number of examples ``n``) of a frame that has one row per example; what else is said
    of a cell stands in each of its rows. An example's own interval is none of the cell's."""
    groups = frame.groupby(KEY, observed=True, sort=False)
    about = frame.columns.difference([*KEY, "example", "score", "n", "low", "high"], sort=False)
    averaged = groups["score"].agg(score="mean", n="size")
    return averaged.join(groups[list(about)].first()).reset_index()
