"""Scores of targets whose own task was trained on before: shown, but in no average and no comparison."""

from __future__ import annotations

import math
from collections.abc import Mapping

import pandas as pd

from mlflow_xfer.errors import XferError
from mlflow_xfer.tracking.results import SAME_TASK

STATUS = "same task"
UNMARKED = ("", "false", "0", "0.0")
COLUMNS = ["condition", "task", "intermediate", "mean", "baseline", "difference"]


def marked(marks: pd.Series) -> pd.Series:
    """[rows] whether something is named; a column of truth values names what is true."""
    return ~marks.fillna("").astype(str).str.lower().isin(UNMARKED)


def apart(frame: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The rows of a checked frame that count, and those of targets whose own task was trained on before.

    A condition's target is set apart with all its languages and seeds.

    Raises:
        XferError: no row counts.
    """
    if SAME_TASK not in frame:
        return frame, frame.iloc[:0]
    cells = pd.MultiIndex.from_frame(frame[["condition", "task"]])
    own = cells.isin(cells[marked(frame[SAME_TASK])])
    if own.all():
        raise XferError(
            "Every score is of a target whose own task was trained on before: there is nothing to compare.",
            "Choose other intermediate tasks, or leave their common rows out: exclude_overlap=true",
        )
    return frame[~own], frame[own]


def table(own: pd.DataFrame, frame: pd.DataFrame, against: Mapping[str, str | None]) -> pd.DataFrame:
    """A row for each condition and target that was set apart: its mean, and for orientation that of the
    condition that it is compared with.

    Args:
        frame: all rows of the conditions.
        against: which condition each is compared with.
    """
    means = frame.groupby(["condition", "task"], observed=True)["score"].mean()
    rows = []
    for condition, task in own[["condition", "task"]].drop_duplicates().itertuples(index=False):
        mine = own[(own["condition"] == condition) & (own["task"] == task)]
        names = dict.fromkeys(mine.loc[marked(mine[SAME_TASK]), SAME_TASK].astype(str).replace("True", task))
        base, mean = means.get((against.get(condition), task), math.nan), mine["score"].mean()
        rows.append([condition, task, ", ".join(names), mean, base, mean - base])
    return pd.DataFrame(rows, columns=COLUMNS)


def said(condition: str, task: str, intermediate: str) -> str:
    """For the limits of a report."""
    return f"{condition} on {task}: same task ({intermediate}), in no average and no comparison"
