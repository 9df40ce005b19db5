"""Retrieval: BUCC's F1 over mined pairs, and mean average precision of ranked lists (LAReQA, Mewsli-X)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from mlflow_xfer.errors import XferError
from mlflow_xfer.scoring.score import f1, paired, ratio

RANKS = 20  # XTREME-R judges the first 20 of each list


def _pairs(values: Iterable, language: str) -> set[tuple]:
    pairs = set()
    for value in values:
        if isinstance(value, str):
            value = tuple(value.split("\t"))
        try:
            pairs.add(tuple(str(part) for part in value))
        except TypeError:
            raise XferError(f"{language}: {value!r} is not a pair of sentence ids.") from None
    return pairs


def pair_rows(predictions: Sequence, references: Sequence, language: str) -> np.ndarray:
    """``[distinct pairs, 3]``: in both, predicted, gold. Both sides are sets: repeated pairs count once."""
    predicted, gold = _pairs(predictions, language), _pairs(references, language)
    if not gold:
        raise XferError(f"{language}: there is no gold pair, so nothing can be scored.")
    both, only_predicted, only_gold = len(predicted & gold), len(predicted - gold), len(gold - predicted)
    kinds = np.array([[1, 1, 1], [0, 1, 0], [0, 0, 1]], np.int64)
    return np.repeat(kinds, [both, only_predicted, only_gold], axis=0)


def pair_figures(sums: np.ndarray) -> dict[str, np.ndarray]:
    precision, recall, value = f1(sums[..., 0], sums[..., 1], sums[..., 2])
    return {"f1": value, "precision": precision, "recall": recall}


def average_precision(ranked: Sequence, gold: Iterable, ranks: int = RANKS) -> float:
    """AP@``ranks`` of one list: sum of the precision at each hit over min(number of gold, ``ranks``); 0-1.

    A gold item that is listed twice is hit once, at its first place; with one gold
    item this is the reciprocal rank.
    """
    gold = set(gold)
    hits, total = 0, 0.0
    for rank, item in enumerate(list(ranked)[:ranks], 1):
        if item in gold:
            gold.remove(item)
            hits += 1
            total += hits / rank
    return total / min(hits + len(gold), ranks)


def map_rows(predictions: Sequence, references: Sequence, language: str) -> np.ndarray:
    """``[queries, 2]``: average precision, 1."""
    paired(predictions, references, language, "queries")
    values = []
    for number, (ranked, gold) in enumerate(zip(predictions, references, strict=True), 1):
        if isinstance(gold, str) or not len(gold):
            raise XferError(f"{language}: query {number} has no list of gold ids: {gold!r}.")
        if isinstance(ranked, str):
            raise XferError(f"{language}: query {number} has no list of ranked ids: {ranked!r}.")
        values.append((average_precision(ranked, gold), 1.0))
    return np.array(values, float).reshape(-1, 2)


def map_figures(sums: np.ndarray) -> dict[str, np.ndarray]:
    return {"map_at_20": ratio(sums[..., 0], sums[..., 1])}
