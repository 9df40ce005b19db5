"""Evaluates retrieval: translations, ranked lists among the candidates of one or all languages, mined
pairs."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlflow_xfer.data import sources
from mlflow_xfer.data.retrieval import candidates, column, few_queries, golds, queries, unknown_golds
from mlflow_xfer.errors import XferError
from mlflow_xfer.kinds import kind
from mlflow_xfer.phases.phase import Phase
from mlflow_xfer.scoring.mining import Side, mine
from mlflow_xfer.tasks.task import POOL, Task

logger = logging.getLogger(__name__)

Found = tuple[dict[str, list], dict[str, list], dict[str, list[str]], dict[str, Any]]
"""By language: predictions, references, ids, and what chance draws from; as the task's metric takes them."""


def translations(task: Task, splits: Mapping[str, Any], begin: Path, options: Mapping[str, Any]) -> Found:
    """For each English sentence the row of its translation; a test set of pairs is its own gold."""
    from mlflow_xfer.training.predict import predict

    predicted = predict(begin, task, splits, **options)
    ids = {language: split["id"][:] for language, split in splits.items()}
    return predicted, {language: list(range(len(split))) for language, split in splits.items()}, ids, {}


def lists(
    task: Task, splits: Mapping[str, Any], beside: Mapping[str, Any], begin: Path, options: Mapping[str, Any]
) -> Found:
    """For each query the best candidates; ``beside`` holds the pool and languages that only offer candidates.

    Raises:
        XferError: if right answers are not among the candidates.
    """
    from mlflow_xfer.training.predict import predict

    everything = {**splits, **beside}
    right = golds(everything, task.pooled)
    offered = {name: [split["id"][n] for n in candidates(split)] for name, split in everything.items()}
    predicted, references, ids, drawn = predict(begin, task, everything, **options), {}, {}, {}
    for language, split in splits.items():
        pool = [
            name
            for part in (everything if task.pooled else {language, POOL} & set(offered))
            for name in offered[part]
        ]
        asked = queries(split)
        _check_known(task, language, [right[language][n] for n in asked], set(pool))
        names = split["id"][:]
        predicted[language] = [predicted[language][n] for n in asked]
        references[language] = [right[language][n] for n in asked]
        ids[language], drawn[language] = [names[n] for n in asked], pool
    return {language: predicted[language] for language in splits}, references, ids, drawn


def _check_known(task: Task, language: str, right: list, pool: set[str]) -> None:
    absent = unknown_golds(right, pool)
    if absent:
        raise XferError(
            f"Task {task.name!r}, {language}: {len(absent)} right answers are no candidates, "
            f"such as {absent[0]!r}.",
            "Every gold id must be the id of a row with a target, in the test rows or in the pool.",
        )


def mined(
    task: Task, tests: Mapping[str, Any], devs: Mapping[str, Any], begin: Path, options: Mapping[str, Any]
) -> tuple[Found, dict[str, float]]:
    """Translation pairs of both collections by ratio margin, above the threshold that is
    best on dev; and the thresholds.

    A language without test rows is mined on dev itself.
    """
    from mlflow_xfer.training.retrieval import fastest_both_ways

    predicted, references, ids, thresholds, search = {}, {}, {}, {}, fastest_both_ways()
    vectors = kind.model(task.kind).vectors
    for language, dev in devs.items():  # one at a time: a collection has up to a million sentences
        pairs, threshold = mine(
            *_collections(dev, vectors(begin, task, {language: dev}, **options)[language]),
            gold=_pairs(dev),
            search=search,
        )
        split = tests.get(language)
        if split is not None:
            sides = _collections(split, vectors(begin, task, {language: split}, **options)[language])
            pairs, _ = mine(*sides, threshold=threshold, search=search)
        else:
            logger.warning(
                "%s, %s: there is no test set, so dev is scored, with a threshold tuned on it: "
                "outside suite totals.",
                task.name,
                language,
            )
        predicted[language], references[language] = pairs, _pairs(dev if split is None else split)
        ids[language], thresholds[language] = [], threshold
    return (predicted, references, ids, {}), thresholds


def _pairs(split: Any) -> list[tuple[str, str]]:
    return [
        (name, right)
        for name, gold, source in zip(
            split["id"][:], column(split, "gold"), column(split, "source"), strict=True
        )
        if source is not None
        for right in gold or ()
    ]


def _collections(split: Any, vectors: Any) -> tuple[Side, Side]:
    names = split["id"][:]
    sides = []
    for side, found in (("source", vectors.source), ("target", vectors.target)):
        texts = column(split, side)
        sides.append(Side([names[n] for n in found.rows], [texts[n] for n in found.rows], found.vectors))
    return sides[0], sides[1]


def splits_of(phase: Phase) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """(scored test rows by language, dev rows by language, splits that only offer candidates).

    Reads the rows; ``max_eval_examples`` cuts the queries, never the candidates.
    """
    from datasets import concatenate_datasets

    task, limit = phase.tasks[0], phase.settings["max_eval_examples"]
    read = [(rows, sources.read(task, rows)) for rows in phase.rows]
    scored = phase.settings.get("scored") or tuple(rows.language for rows in phase.rows if rows.split != POOL)
    on_test = task.metric == "bucc_f1" or any(rows.split == "test" for rows in phase.rows)
    asked = "test" if on_test else "validation"  # a search's objective is scored on validation rows alone
    tests = {
        rows.language: few_queries(split, limit, 0)
        for rows, split in read
        if rows.split == asked and rows.language in scored
    }
    devs = {rows.language: few_queries(split, limit, 0) for rows, split in read if rows.split == "validation"}
    beside = {
        rows.language: split for rows, split in read if rows.split == "test" and rows.language not in scored
    }
    pool = [split for rows, split in read if rows.split == POOL]
    if pool:
        beside[POOL] = concatenate_datasets(pool)
    return tests, devs, beside
