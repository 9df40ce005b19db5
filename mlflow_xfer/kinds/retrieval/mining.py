"""Mining translation pairs from two collections of sentences (BUCC), as XTREME does.

Artetxe and Schwenk 2019 (arXiv 1811.01136): the ratio margin of a pair is its cosine over the mean of
both sentences' average cosines to their 4 nearest neighbours. Each sentence proposes its best partner, in
both directions; proposals are taken greedily by score, each sentence once ("max" retrieval). The
threshold is tuned on the dev pairs' gold.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from mlflow_xfer.errors import XferError

NEIGHBOURS = 4
BLOCK = 1 << 24  # similarities held at once, about
GROUP = 128  # columns whose maximum is found together
MERGED = 2  # candidates for each column that are collected before the lists are brought up to date

Search = Callable[[np.ndarray, np.ndarray, int], tuple[np.ndarray, ...]]


@dataclass(frozen=True)
class Candidates:
    """Proposed pairs, best first: ``source`` and ``target`` are row numbers, ``score`` the ratio margin."""

    source: np.ndarray
    target: np.ndarray
    score: np.ndarray

    def __len__(self) -> int:
        return len(self.score)


@dataclass(frozen=True)
class Side:
    """One collection of sentences: ``ids``, ``texts`` and ``vectors`` ``[n, d]`` (of any length), row by
    row."""

    ids: Sequence[str]
    texts: Sequence[str]
    vectors: np.ndarray


def mine(
    source: Side,
    target: Side,
    *,
    gold: Iterable[tuple[str, str]] | None = None,
    threshold: float | None = None,
    search: Search | None = None,
) -> tuple[list[tuple[str, str]], float]:
    """Pairs of ids that translate each other, best first, and the threshold they were cut at.

    Args:
        gold: the dev collection's pairs: the threshold is tuned on them. On the test collection pass the
            ``threshold`` that dev gave instead; tuning on test gold would be an oracle.
        search: as :func:`nearest_both_ways`, which is the default.
    """
    if (gold is None) == (threshold is None):
        raise XferError("Mining needs either the dev set's gold pairs or a threshold.")
    (x, x_once), (y, y_once) = distinct(source.texts), distinct(target.texts)
    pairs = candidates(
        *(search or nearest_both_ways)(_unit(source.vectors[x]), _unit(target.vectors[y]), NEIGHBOURS)
    )
    # XTREME leaves out sentences that occur twice after mining and before tuning.
    clear = x_once[pairs.source] & y_once[pairs.target]
    pairs = Candidates(pairs.source[clear], pairs.target[clear], pairs.score[clear])
    names = [
        (source.ids[int(x[i])], target.ids[int(y[j])])
        for i, j in zip(pairs.source, pairs.target, strict=True)
    ]
    if gold is not None:
        wanted = set(map(tuple, gold))
        inside = [
            (int(i), int(j))
            for i, j, name in zip(pairs.source, pairs.target, names, strict=True)
            if name in wanted
        ]
        # Gold pairs that were not even proposed still count as missed.
        threshold = tune_threshold(
            pairs, [*inside, *((-1, -n) for n in range(1, len(wanted) - len(inside) + 1))]
        )
    assert threshold is not None, "given, or tuned on gold pairs"
    return names[: int(np.sum(pairs.score >= threshold))], float(threshold)


def _unit(vectors: np.ndarray) -> np.ndarray:
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return (vectors / np.where(length > 0, length, 1)).astype(np.float32)


def nearest_both_ways(
    x: np.ndarray, y: np.ndarray, k: int = NEIGHBOURS, rows: int = 0
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The ``k`` nearest rows of ``y`` for each row of ``x`` and the other way round, exactly, by inner
    product.

    One pass over the similarities serves both directions: half the work of two searches in an index.

    Args:
        x, y: ``[n, d]`` and ``[m, d]``, float32, rows normalised to length 1 for cosines.
        rows: rows of ``x`` handled at a time, after as many that only begin the lists of ``y``; memory is
            about ``rows * m`` floats. 0: what keeps that bounded.

    Returns:
        Similarities and row numbers ``[n, k]`` for ``x``, then ``[m, k]`` for ``y``; best first, of equal
        ones the first row. ``k`` is cut to the size of the other side.
    """
    k_x, k_y = min(k, len(y)), min(k, len(x))
    rows = rows or min(512, max(1, BLOCK // max(len(y), 1)))
    x, y = (np.ascontiguousarray(side, np.float32) for side in (x, y))
    x_similarity, x_index = np.empty((len(x), k_x), np.float32), np.empty((len(x), k_x), np.int64)
    y_similarity, y_index = np.full((len(y), k_y), -np.inf, np.float32), np.zeros((len(y), k_y), np.int64)
    if not len(x) or not len(y):
        return x_similarity, x_index, y_similarity, y_index
    # Columns in groups, the last one filled up with -inf; one block of memory, used again and again.
    width = -(-len(y) // GROUP) * GROUP
    space = np.full((min(rows, len(x)), width), -np.inf, np.float32)
    hits: list[tuple[np.ndarray, ...]] = []
    for start in range(0, len(x), rows):
        part = x[start : start + rows]
        block = space[: len(part)]
        np.matmul(part, y.T, out=block[:, : len(y)])
        if start == 0:
            most = min(k_y, len(part))
            y_similarity[:, :most], y_index[:, :most] = _best(block[:, : len(y)].T.copy(), most)
        else:  # few of a block pass the k-th best of those before it, and one comparison finds them
            row, column = np.divmod(np.flatnonzero(block[:, : len(y)] > y_similarity[:, -1]), len(y))
            hits.append((column, block[row, column], row + start))
            if sum(len(column) for column, _, _ in hits) > MERGED * len(y) or start + rows >= len(x):
                y_similarity, y_index = _merged(
                    y_similarity, y_index, *map(np.concatenate, zip(*hits, strict=True))
                )
                hits = []
        x_similarity[start : start + rows], x_index[start : start + rows] = _best_of_groups(block, k_x)
    return x_similarity, x_index, y_similarity, y_index


def _best_of_groups(block: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The ``k`` largest of each row, best first: they lie in the ``k`` groups of columns with the largest
    maxima. Overwrites ``block``."""
    groups = block.shape[1] // GROUP
    if groups <= k:
        return _best(block, k)
    by_group = block.reshape(len(block), groups, GROUP)
    largest = np.sort(_best(by_group.max(axis=2), k)[1], axis=1)
    members = by_group[np.arange(len(block))[:, None], largest].reshape(len(block), -1)
    values, index = _best(members, k)
    return values, np.take_along_axis(largest, index // GROUP, axis=1) * GROUP + index % GROUP


def _best(block: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The ``k`` largest of each row, best first. Overwrites ``block``: for small k, k maxima beat a
    partition."""
    values, index = np.empty((len(block), k), block.dtype), np.empty((len(block), k), np.int64)
    everything = np.arange(len(block))
    for rank in range(k):
        index[:, rank] = block.argmax(axis=1)
        values[:, rank] = block[everything, index[:, rank]]
        block[everything, index[:, rank]] = -np.inf
    return values, index


def _merged(
    values: np.ndarray, index: np.ndarray, row: np.ndarray, found: np.ndarray, place: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The largest ``k`` of each row of ``values`` [n, k] and of what was ``found``
    for a ``row`` at a ``place``."""
    n, k = values.shape
    if not len(row) or not k:
        return values, index
    owner = np.concatenate([np.repeat(np.arange(n), k), row])
    everything, places = np.concatenate([values.ravel(), found]), np.concatenate([index.ravel(), place])
    order = np.lexsort((places, -everything, owner))
    picked = order[np.searchsorted(owner[order], np.arange(n))[:, None] + np.arange(k)]
    return everything[picked], places[picked]


def candidates(
    x_similarity: np.ndarray, x_index: np.ndarray, y_similarity: np.ndarray, y_index: np.ndarray
) -> Candidates:
    """Pairs from the nearest neighbours of both sides (``[n, k]`` and ``[m, k]`` cosines and row numbers)."""
    x_mean, y_mean = x_similarity.mean(axis=1), y_similarity.mean(axis=1)
    forward = x_similarity / ((x_mean[:, None] + y_mean[x_index]) / 2)
    backward = y_similarity / ((y_mean[:, None] + x_mean[y_index]) / 2)
    n, m = np.arange(len(x_index)), np.arange(len(y_index))
    best_x, best_y = forward.argmax(axis=1), backward.argmax(axis=1)
    source = np.concatenate([n, y_index[m, best_y]])
    target = np.concatenate([x_index[n, best_x], m])
    score = np.concatenate([forward[n, best_x], backward[m, best_y]])
    order = np.argsort(-score, kind="stable")
    used_x, used_y, kept = np.zeros(len(n), bool), np.zeros(len(m), bool), []
    order = order[score[order] > 0]  # as XTREME's default threshold
    for place, i, j in zip(order.tolist(), source[order].tolist(), target[order].tolist(), strict=True):
        if not used_x[i] and not used_y[j]:
            used_x[i] = used_y[j] = True
            kept.append(place)
    return Candidates(source[kept], target[kept], score[kept])


def tune_threshold(mined: Candidates, gold: Iterable[tuple[int, int]]) -> float:
    """The score from which on pairs are kept, so that F1 against the dev pairs ``gold`` is largest.

    It lies half-way between the last pair kept and the first one not kept. XTREME's own loop fails if the
    best cut keeps everything, and may cut between equal scores; here the threshold is then the lowest score
    itself, and equal scores stay together. If no pair is right, it is 0, which keeps all.
    """
    gold = set(gold)
    if not len(mined) or not gold:
        return 0.0
    pairs = zip(mined.source.tolist(), mined.target.tolist(), strict=True)
    correct = np.cumsum([pair in gold for pair in pairs])
    if not correct[-1]:
        return 0.0
    f1 = 2 * correct / (np.arange(1, len(mined) + 1) + len(gold))
    last = np.append(mined.score[:-1] > mined.score[1:], True)  # cuts only where the score changes
    best = int(np.argmax(np.where(last, f1, -1.0)))
    if best + 1 == len(mined):
        return float(mined.score[best])
    return float((float(mined.score[best]) + float(mined.score[best + 1])) / 2)


def distinct(texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Row numbers of each sentence's first occurrence, in order, and which of those occur exactly once.

    XTREME mines over the distinct sentences and then drops those that occurred twice,
    since their ids are ambiguous.
    """
    first: dict[str, int] = {}
    often: dict[str, int] = {}
    for number, text in enumerate(texts):
        first.setdefault(text.strip(), number)
        often[text.strip()] = often.get(text.strip(), 0) + 1
    return np.array(list(first.values()), np.int64), np.array([count == 1 for count in often.values()], bool)
