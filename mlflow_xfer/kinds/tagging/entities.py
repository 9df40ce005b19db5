"""Where errors of entities lie: by their length, and by how surely the training data tell their type."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from mlflow_xfer.errors import XferError
from mlflow_xfer.kinds.tagging.f1 import chunks
from mlflow_xfer.scoring.buckets import Bucket, limits_of, which
from mlflow_xfer.scoring.score import f1

Find = Callable[[Sequence[Sequence[str]]], list[tuple[int, str, int, int]]]

LENGTHS = (1.0, 1.5, 2.5, 3.5, 100.0)  # words: one, two, three, more
# The label of the training data: never the same (or unseen there), sometimes, always.
CONSISTENCIES = (0.0, 0.0, 0.999, 1.0)


def sentence_attributes(example: Mapping[str, Any]) -> dict[str, float]:
    """Length of a sentence and density of its entities."""
    tags = example["tags"]
    inside = sum(tag != "O" for tag in tags)
    return {"sentence_length": float(len(tags)), "entity_density": inside / len(tags) if tags else 0.0}


def label_consistency(
    words_of: Sequence[Sequence[str]], tags: Sequence[Sequence[str]], find: Find = chunks
) -> Callable[[str, str], float]:
    """From training sentences: (text of an entity, type) -> share of its occurrences
    there that had that type, 0-1."""
    seen: dict[str, Counter] = defaultdict(Counter)
    for text, kind in _entities(words_of, tags, find):
        seen[text][kind] += 1

    def consistency(text: str, kind: str) -> float:
        counts = seen.get(text)
        return counts[kind] / counts.total() if counts else 0.0

    return consistency


def _entities(
    words_of: Sequence[Sequence[str]], tags: Sequence[Sequence[str]], find: Find
) -> Iterable[tuple[str, str]]:
    # Chunks count one place between sentences.
    flat = [word for sentence in words_of for word in (*sentence, "")]
    for _, kind, first, last in find(tags):
        yield " ".join(flat[first : last + 1]), kind


def by_entity(
    predictions: Sequence[Sequence[str]],
    references: Sequence[Sequence[str]],
    borders: Sequence[float],
    attribute: Callable[[str, str], float] | None = None,
    words_of: Sequence[Sequence[str]] | None = None,
    find: Find = chunks,
) -> list[Bucket]:
    """Entity F1 by an attribute of the entity itself, gold and predicted ones alike.

    Args:
        attribute: of an entity's text and type (``label_consistency``); needs ``words_of``, the sentences'
            words. None: the entity's length in words.
        find: the entities in tags, as :func:`chunks` gives them.
    """
    if attribute is not None and words_of is None:
        raise XferError("An attribute of the entity's text needs the words of the sentences.")
    flat = [word for sentence in words_of or [] for word in (*sentence, "")]
    sides = []
    for side in (references, predictions):
        spans = sorted(set(find(side)))
        values = [
            last - first + 1 if attribute is None else attribute(" ".join(flat[first : last + 1]), kind)
            for _, kind, first, last in spans
        ]
        sides.append((spans, which(values, borders)))
    (gold, gold_place), (mine, mine_place) = sides
    rows = []
    for i, (low, high) in enumerate(limits_of(borders)):
        wanted = {span for span, place in zip(gold, gold_place, strict=True) if place == i}
        guessed = {span for span, place in zip(mine, mine_place, strict=True) if place == i}
        counts = np.array([len(wanted & guessed), len(guessed), len(wanted)])
        rows.append(Bucket(low, high, len(wanted), float(f1(*counts)[2]) if wanted else None))
    return rows
