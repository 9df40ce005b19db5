"""Tables of earlier papers as baseline rows: from CSV, or from the score files that
XTREME's ``evaluate.py`` writes.

Such rows have one value per cell and no seeds. They stand beside our own in a report and are never tested
against them: whether a difference to one published number is more than seed noise cannot be known.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mlflow_xfer import languages
from mlflow_xfer.errors import Problems, XferError, few
from mlflow_xfer.lines import parsed, whole
from mlflow_xfer.scoring.score import metric_of
from mlflow_xfer.stats.frame import CORRELATIONS, on_two_scales, quote
from mlflow_xfer.tasks.catalogue import TASKS

logger = logging.getLogger(__name__)

PREFERRED = ("score", "accuracy", "f1", "exact_match", "map_at_20")
"""Figures of tasks that the catalogue does not know, the first that there is; of F1 and EM their mean."""
SPELT = {"exact": "exact_match", "em": "exact_match", "acc": "accuracy", "map@20": "map_at_20"}
"""Figures by what other programs call them."""
BEFORE = re.compile(r"^((eval|test|predict|overall)_)+")
"""What transformers' examples and seqeval put before a figure's name."""


def read_scores(path: str | Path, condition: str = "", *, percent: bool | None = None) -> pd.DataFrame:
    """Scores of an earlier paper in the tidy columns, with ``source`` = the file's
    name and ``seed`` = ``imported``.

    Args:
        path: ``.csv`` (long: task, language, score [, condition]; or wide: one column per
            language, a ``task`` and/or ``condition`` column) or ``.json`` as XTREME's evaluation
            writes it: ``{task: {language: score or {metric: score}}}``, and ``publish``, with
            ``condition`` beside the tasks. QA entries with F1 and EM become their mean, XTREME's task score.
        condition: name of the row; default: the file's own column or word, else its name.
        percent: whether scores are 0-100 already; ``None``: as the JSON file's own word ``percent`` says,
            else where one of the whole file exceeds 1.

    A task is the catalogue's also where its name differs in case, or in what joins its parts.

    Raises:
        XferError: the file cannot be read, unknown languages, scores that are no numbers or outside 0-100,
            entries without the figures of the task's metric, a task on two scales, two scores of one cell:
            with their places.
    """
    path = Path(path)
    try:
        if path.suffix.lower() == ".json":
            read = parsed(path, whole(path), 1)
            rows = _from_json(path, read)
            percent = read.get("percent") if percent is None else percent
        else:
            rows = _from_csv(whole(path))
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
            f"{path}: {str(rows.loc[i, 'score'])!r:.80} is no score "
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
            "task": rows["task"].map(_known),
            "language": rows["language"].map(codes),
            "base_seed": 0,
            "seed": "imported",
            "score": numbers.astype(float),
            "source": path.name,
        }
    ).reset_index(drop=True)
    if percent is None:
        percent = _in_percent(path, found)
    if not percent:
        found["score"] *= 100
    _refuse_faults(path, found)
    return found


def _known(name: Any) -> Any:
    """The task of the catalogue that is meant by ``name``: ``XNLI``, ``PAWS-X``; another stays as it is."""
    if name in TASKS:
        return name
    return next((known for known in TASKS.names() if _bare(known) == _bare(name)), name)


def _bare(name: Any) -> str:
    return re.sub(r"[\W_]", "", str(name).lower())


def _in_percent(path: Path, found: pd.DataFrame) -> bool:
    """Whether the file is on the scale 0-100: one scale for all of it, since a hard task, or a weak model,
    has scores below 1 % in every language."""
    two = on_two_scales(found)
    if len(two):
        raise XferError(
            f"{path}: scores on two scales: 0-1 in\n{quote(two, ['condition', 'task'])}\n"
            "  and 0-100 elsewhere.",
            "Multiply the fractions by 100.",
        )
    top = found["score"].abs().groupby(found["task"]).max()
    small = ", ".join(top.index[(top <= 1) & (top > 0)])
    if top.max() > 1 and small:
        logger.warning(
            "%s is taken to be in percent (0-100), since a score exceeds 1: no score of %s does. If these "
            "are fractions, multiply them by 100.",
            path,
            small,
        )
    elif small:
        logger.warning(
            "%s is taken to be in fractions (0-1), since no score exceeds 1. If it is in percent, write it "
            'as .json with "percent": true beside the tasks.',
            path,
        )
    return bool(top.max() > 1)


def _refuse_faults(path: Path, found: pd.DataFrame) -> None:
    """Refuse scores outside the scale, and cells that have several."""
    problems, columns = Problems(), ["condition", "task", "language", "score"]
    correlated = [task in TASKS and TASKS.get(task).metric in CORRELATIONS for task in found["task"]]
    outside = found[~found["score"].between(np.where(correlated, -100, 0), 100)]
    if len(outside):
        problems.add(
            f"{path}: {len(outside)} scores lie outside 0-100:\n{quote(outside, columns)}",
            "Accepted are percents, 0-100, or in the whole file fractions, 0-1.",
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


def _from_json(path: Path, read: Any) -> pd.DataFrame:
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
            if language.lower().startswith(("avg", "all_", "mean")):
                continue
            try:
                score = _one(_known(task), value) if isinstance(value, Mapping) else value
            except XferError as error:
                problems.add(f"{path}: {task}, {language}: {error.what}", error.hint)
                continue
            rows.append({"task": task, "language": language, "score": score, **named})
    problems.raise_if_any()
    return pd.DataFrame(rows)


def _one(task: str, entry: Mapping[str, Any]) -> Any:
    """The score of a cell from its figures by name: those of the metric of ``task``.

    Raises:
        XferError: they are not among them, or two that differ are called alike.
    """
    figures: dict[str, Any] = {}
    for said, value in entry.items():
        if isinstance(value, Mapping):
            continue  # seqeval's figures of one type of entity
        bare = BEFORE.sub("", said.lower())
        name = SPELT.get(bare, bare)
        if figures.setdefault(name, value) != value:
            raise XferError(f"has several figures that mean {name}: {few(entry)}.", "Leave one of them.")
    metric = TASKS.get(task).metric if task in TASKS else ""
    needed = metric_of(metric).value if metric else ()
    for names in (("score",), *(((metric,), needed) if metric else (("exact_match", "f1"),))):
        if all(name in figures for name in names):
            return (
                figures[names[0]] if len(names) == 1 else sum(float(figures[n]) for n in names) / len(names)
            )
    general = () if metric else [name for name in PREFERRED if name in figures]
    if general:
        return figures[general[0]]
    raise XferError(
        f"has {few(entry) or 'no figure'}, "
        + (f"but {task} is scored by {metric}." if metric else "none of which is a score."),
        f"Accepted: {' and '.join(needed)}, or score." if metric else f"Accepted: {', '.join(PREFERRED)}",
    )
