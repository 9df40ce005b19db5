"""Tables of earlier papers as baseline rows: from CSV, or from the score files that
XTREME's ``evaluate.py`` writes.

Such rows have one value per cell and no seeds. They stand beside our own in a report and are never tested
against them: whether a difference to one published number is more than seed noise cannot be known.
"""

from __future__ import annotations

from collections.abc import Mapping
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mlflow_xfer import languages
from mlflow_xfer.errors import Problems, XferError
from mlflow_xfer.lines import parsed, whole
from mlflow_xfer.stats.frame import CORRELATIONS, quote
from mlflow_xfer.tasks.catalogue import TASKS

PREFERRED = ("score", "accuracy", "f1", "exact_match", "em", "map@20", "map_at_20")


def read_scores(path: str | Path, condition: str = "", *, percent: bool | None = None) -> pd.DataFrame:
    """Scores of an earlier paper in the tidy columns, with ``source`` = the file's
    name and ``seed`` = ``imported``.

    Args:
        path: ``.csv`` (long: task, language, score [, condition]; or wide: one column per
            language, a ``task`` and/or ``condition`` column) or ``.json`` as XTREME's evaluation
            writes it: ``{task: {language: score or {metric: score}}}``, and ``publish``, with
            ``condition`` beside the tasks. QA entries with F1 and EM become their mean, XTREME's task score.
        condition: name of the row; default: the file's own column or word, else its name.
        percent: whether scores are 0-100 already; ``None``: in the tasks of a condition where one exceeds 1.

    Raises:
        XferError: the file cannot be read, unknown languages, scores that are no numbers or outside 0-100,
            two scores of one cell: with their places.
    """
    path = Path(path)
    try:
        rows = (
            _from_json(parsed(path, whole(path), 1))
            if path.suffix.lower() == ".json"
            else _from_csv(whole(path))
        )
    except ValueError as error:
        raise XferError(f"{path} cannot be read: {error}", "Give a .csv or .json file.") from error
    if rows.empty:
        raise XferError(
            f"{path} holds no scores.", "Needed: task, language, score; or one column per language."
        )
    problems = Problems()
    numbers = pd.to_numeric(rows["score"], errors="coerce")
    for i in rows.index[numbers.isna()]:
        problems.add(
            f"{path}: {rows.loc[i, 'score']!r} is no score "
            f"({rows.loc[i, 'task']}, {rows.loc[i, 'language']}).",
            "Leave unknown cells empty.",
        )
    codes = {}
    for code in rows["language"].unique():
        try:
            codes[code] = languages.get(code).code
        except XferError as error:
            problems.add(f"{path}: {error.what}", error.hint)
    problems.raise_if_any()
    name = rows["condition"] if "condition" in rows and not condition else condition or path.stem
    found = pd.DataFrame(
        {
            "condition": name,
            "task": rows["task"],
            "language": rows["language"].map(codes),
            "base_seed": 0,
            "seed": "imported",
            "score": numbers.astype(float),
            "source": path.name,
        }
    ).reset_index(drop=True)
    if percent is None:
        largest = found["score"].abs().groupby([found["condition"], found["task"]]).transform("max")
        found.loc[largest <= 1, "score"] *= 100
    elif not percent:
        found["score"] *= 100
    _refuse_faults(path, found)
    return found


def _refuse_faults(path: Path, found: pd.DataFrame) -> None:
    """Refuse scores outside the scale, and cells that have several."""
    problems, columns = Problems(), ["condition", "task", "language", "score"]
    correlated = [task in TASKS and TASKS.get(task).metric in CORRELATIONS for task in found["task"]]
    outside = found[~found["score"].between(np.where(correlated, -100, 0), 100)]
    if len(outside):
        problems.add(
            f"{path}: {len(outside)} scores lie outside 0-100:\n{quote(outside, columns)}",
            "Accepted are percents, 0-100, or in all languages of a condition's task fractions, 0-1.",
        )
    twice = found[found.duplicated(columns[:3], keep=False)]
    if len(twice):
        problems.add(
            f"{path}: {len(twice)} rows are duplicates of a cell:\n{quote(twice, columns)}",
            "Give one score per condition, task and language.",
        )
    problems.raise_if_any()


def _from_csv(text: str) -> pd.DataFrame:
    # Language no is Norwegian, and NA could be a language code: only empty cells are missing.
    raw = pd.read_csv(StringIO(text), dtype=str, keep_default_na=False, na_values=[""])
    raw.columns = [str(c).strip() for c in raw.columns]
    if {"task", "language", "score"} <= set(raw.columns):
        return raw.dropna(subset=["score"]).reset_index(drop=True)
    keys = [c for c in ("condition", "task") if c in raw.columns]
    if not keys:
        raise ValueError("no column 'task' or 'condition'")
    wide = [c for c in raw.columns if c not in keys and not c.lower().startswith(("avg", "mean"))]
    long = raw.melt(id_vars=keys, value_vars=wide, var_name="language", value_name="score").dropna(
        subset=["score"]
    )
    return (long if "task" in long else long.assign(task="average")).reset_index(drop=True)


def _from_json(read: Any) -> pd.DataFrame:
    if not isinstance(read, Mapping):
        raise ValueError("not an object of tasks")
    rows, named = [], {"condition": read["condition"]} if isinstance(read.get("condition"), str) else {}
    for task, entries in read.items():
        if not isinstance(entries, Mapping):
            continue  # totals such as "avg"
        for language, value in entries.items():
            if language.lower().startswith(("avg", "all_", "mean")):
                continue
            rows.append({"task": task, "language": language, "score": _one(value), **named})
    return pd.DataFrame(rows)


def _one(value: Any) -> Any:
    if not isinstance(value, Mapping):
        return value
    f1, exact = value.get("f1"), value.get("exact_match", value.get("em"))
    if f1 is not None and exact is not None:
        return (float(f1) + float(exact)) / 2
    return next((value[k] for k in PREFERRED if k in value), None)
