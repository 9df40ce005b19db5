"""Tables of earlier papers as baseline rows: from CSV, or from the score files that
XTREME's ``evaluate.py`` writes.

Such rows have one value per cell and no seeds. They stand beside our own in a report and are never tested
against them: whether a difference to one published number is more than seed noise cannot be known.
"""

from __future__ import annotations

import csv
import logging
from pathlib import Path

import numpy as np
import pandas as pd

from mlflow_xfer import languages
from mlflow_xfer.errors import Problems, XferError
from mlflow_xfer.lines import parsed, whole
from mlflow_xfer.reporting.score_files import from_csv, from_json, known
from mlflow_xfer.stats.frame import CORRELATIONS, on_two_scales, quote
from mlflow_xfer.tasks.catalogue import TASKS

logger = logging.getLogger(__name__)


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
            rows = from_json(path, read)
            percent = read.get("percent") if percent is None else percent
        else:
            rows = from_csv(whole(path))
    except (ValueError, csv.Error) as error:
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
            "Leave unknown cells empty, in .json out.",
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
            "task": rows["task"].map(known),
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
