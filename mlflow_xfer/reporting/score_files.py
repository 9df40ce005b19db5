"""The cells of score files: CSV in the long or the wide form, and JSON as XTREME's evaluation writes it."""

from __future__ import annotations

import csv
import math
import re
from collections import Counter
from collections.abc import Mapping
from io import StringIO
from pathlib import Path
from typing import Any

import pandas as pd

from mlflow_xfer.errors import Problems, XferError, few
from mlflow_xfer.scoring.score import metric_of
from mlflow_xfer.tasks.catalogue import TASKS

COLUMNS = ("condition", "task", "language", "score")
TOTALS = ("avg", "average", "mean")
"""What columns and cells over all languages begin with; they are left out."""
PREFERRED = ("score", "accuracy", "f1", "exact_match", "map_at_20")
"""Figures of tasks that the catalogue does not know, the first that there is; of F1 and EM their mean."""
SPELT = {"exact": "exact_match", "em": "exact_match", "acc": "accuracy", "map@20": "map_at_20"}
"""Figures by what other programs call them."""
BEFORE = re.compile(r"^((eval|test|predict|overall)_)+")
"""What transformers' examples and seqeval put before a figure's name."""


def known(name: Any) -> Any:
    """The task of the catalogue that is meant by ``name``: ``XNLI``, ``PAWS-X``; another stays as it is."""
    if name in TASKS:
        return name
    return next((known for known in TASKS.names() if _bare(known) == _bare(name)), name)


def _bare(name: Any) -> str:
    return re.sub(r"[\W_]", "", str(name).lower())


def from_csv(text: str) -> pd.DataFrame:
    raw = _cells(text)
    if {"task", "language", "score"} <= set(raw.columns):
        return raw.dropna(subset=["score"]).reset_index(drop=True)
    keys = [c for c in ("condition", "task") if c in raw.columns]
    if not keys:
        raise ValueError("no column 'task' or 'condition'")
    wide = [c for c in raw.columns if c not in keys and not c.lower().startswith(TOTALS)]
    long = raw.melt(id_vars=keys, value_vars=wide, var_name="language", value_name="score").dropna(
        subset=["score"]
    )
    return (long if "task" in long else long.assign(task="average")).reset_index(drop=True)


def _cells(text: str) -> pd.DataFrame:
    """The cells of a table by column, empty ones missing. What separates them is what the first line has:
    commas, else semicolons or tabs; empty cells at the ends of lines are no columns.

    Raises:
        ValueError: a line with more cells than there are columns, or a column that is there twice.
    """
    first = text.partition("\n")[0]
    separator = next((one for one in ",;\t" if one in first), ",")
    lines = [_bare_end(line) for line in csv.reader(StringIO(text), delimiter=separator, strict=True)]
    head, *rows = [(number, line) for number, line in enumerate(lines, 1) if line] or [(1, [])]
    names = [name.lower() if name.lower() in COLUMNS else name for name in map(str.strip, head[1])]
    if twice := [name for name, count in Counter(names).items() if count > 1]:
        raise ValueError(f"the column {few(twice)} is there twice")
    for number, line in rows:
        if len(line) > len(names):
            raise ValueError(f"line {number} has {len(line)} cells, and the first line {len(names)}")
    padded = [[cell or None for cell in line] + [None] * (len(names) - len(line)) for _, line in rows]
    return pd.DataFrame(padded, columns=names, dtype=object)


def _bare_end(cells: list[str]) -> list[str]:
    """``cells`` without empty ones at the end."""
    while cells and not cells[-1].strip():
        cells = cells[:-1]
    return cells


def from_json(path: Path, read: Any) -> pd.DataFrame:
    """The same rows of what was ``read``; totals are left out.

    Raises:
        ValueError: it is no object of tasks.
        XferError: every cell that is no number, or whose figures hold none of the task's metric.
    """
    if not isinstance(read, Mapping):
        raise ValueError("not an object of tasks")
    if not isinstance(read.get("percent", True), bool):
        raise ValueError(f'"percent" is {read["percent"]!r}, not true or false')
    named = {"condition": read["condition"]} if isinstance(read.get("condition"), str) else {}
    rows, problems = [], Problems()
    for task, entries in read.items():
        if not isinstance(entries, Mapping):
            continue  # totals such as "avg"
        for language, value in entries.items():
            if language.lower().startswith((*TOTALS, "all_")):
                continue
            try:
                if isinstance(value, Mapping):
                    score = _one(known(task), value)
                else:
                    score = _number(value, f"{value!r:.80} is no score.")
            except XferError as error:
                problems.add(f"{path}: {task}, {language}: {error.what}", error.hint)
                continue
            rows.append({"task": task, "language": language, "score": score, **named})
    problems.raise_if_any()
    return pd.DataFrame(rows)


def _one(task: str, entry: Mapping[str, Any]) -> float:
    """The score of a cell from its figures by name: those of the metric of ``task``.

    Raises:
        XferError: they are not among them or no numbers, or two that differ are called alike.
    """
    figures: dict[str, Any] = {}
    for said, value in entry.items():
        if isinstance(value, Mapping):
            continue  # seqeval's figures of one type of entity
        if isinstance(value, bool):
            raise XferError(f"{said} is {value}, which is no figure.", "Give a number.")
        bare = BEFORE.sub("", said.lower())
        name = SPELT.get(bare, bare)
        if name in figures and figures[name] != value:
            raise XferError(f"has several figures that mean {name}: {few(entry)}.", "Leave one of them.")
        figures[name] = value
    metric = TASKS.get(task).metric if task in TASKS else ""
    needed = metric_of(metric).value if metric else ()
    for names in (("score",), *(((metric,), needed) if metric else (("exact_match", "f1"),))):
        if all(name in figures for name in names):
            return sum(_figure(name, figures) for name in names) / len(names)
    general = () if metric else [name for name in PREFERRED if name in figures]
    if general:
        return _figure(general[0], figures)
    raise XferError(
        f"has {few(entry) or 'no figure'}, "
        + (f"but {task} is scored by {metric}." if metric else "none of which is a score."),
        f"Accepted: {' and '.join(needed)}, or score." if metric else f"Accepted: {', '.join(PREFERRED)}",
    )


def _figure(name: str, figures: Mapping[str, Any]) -> float:
    return _number(figures[name], f"{name} is {figures[name]!r:.80}, which is no figure.")


def _number(value: Any, fault: str) -> float:
    """A number, also one that is written as text."""
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        number = math.nan
    if math.isnan(number):
        raise XferError(fault, "Give a number, or leave the language out.")
    return number
