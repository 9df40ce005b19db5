"""Where errors lie: scores by an attribute of the examples, as XTREME-R's fine-grained analysis does.

Ruder et al. 2021 (arXiv 2104.07412) use ExplainaBoard's attributes: for entities the length of the entity
and of the sentence, the density of entities and the consistency of their labels with the training data;
for questions the length of question, answer and context and the words they share. Other kinds have none
defined and give no attributes.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlflow_xfer.data.words import words
from mlflow_xfer.errors import XferError
from mlflow_xfer.scoring.score import METRICS, Metric, f1
from mlflow_xfer.scoring.tagging import chunks
from mlflow_xfer.tasks.task import TaskKind

BUCKETS = 4
ENTITY_LENGTHS = (1.0, 1.5, 2.5, 3.5, 100.0)  # words: one, two, three, more
# The label of the training data: never the same (or unseen there), sometimes, always.
CONSISTENCIES = (0.0, 0.0, 0.999, 1.0)


@dataclass(frozen=True)
class Bucket:
    """Examples with an attribute from ``low`` to ``high``: their number and score
    (0-100; None without examples)."""

    low: float
    high: float
    n: int
    score: float | None


def attributes(kind: TaskKind, example: Mapping[str, Any]) -> dict[str, float]:
    """The attributes of one example in the canonical columns of its kind; empty where none are defined."""
    return _ATTRIBUTES.get(kind, lambda example: {})(example)


def _tagging(example: Mapping[str, Any]) -> dict[str, float]:
    tags = example["tags"]
    inside = sum(tag != "O" for tag in tags)
    return {"sentence_length": float(len(tags)), "entity_density": inside / len(tags) if tags else 0.0}


def _question(example: Mapping[str, Any]) -> dict[str, float]:
    question, context = words(example["question"]), words(example["context"])
    known = {word.lower() for word in context}
    shared = [word for word in question if word.lower().strip("?¿؟？") in known]
    return {
        "question_length": float(len(question)),
        "context_length": float(len(context)),
        "answer_length": float(len(words((example["answers"]["text"] or [""])[0]))),
        "overlap": len(shared) / len(question) if question else 0.0,
    }


_ATTRIBUTES: Mapping[TaskKind, Callable[[Mapping[str, Any]], dict[str, float]]] = {
    TaskKind.TAGGING: _tagging,
    TaskKind.SPAN_QA: _question,
}


def edges(values: Sequence[float], buckets: int = BUCKETS) -> list[float]:
    """Bucket borders, lowest and highest value included, so that buckets are about equally full.

    Equal borders are merged: an attribute with few values has fewer buckets. Use the borders of one language
    (or of all together) for every language, else the buckets do not compare.
    """
    if not len(values):
        raise XferError("There is no example to put into buckets.")
    found = np.quantile(np.asarray(values, float), np.linspace(0, 1, buckets + 1), method="inverted_cdf")
    return list(dict.fromkeys(found.tolist()))


def which(values: Sequence[float], borders: Sequence[float]) -> np.ndarray:
    """The bucket (from 0) of each value: a bucket includes its upper border; values outside go to the
    ends."""
    inner = np.asarray(borders[1:-1], float)
    return np.searchsorted(inner, np.asarray(values, float), side="left")


def by_example(
    metric: str,
    predictions: Sequence,
    references: Sequence,
    language: str,
    values: Sequence[float],
    borders: Sequence[float] | None = None,
) -> list[Bucket]:
    """The metric on the examples of each bucket.

    Args:
        values: the attribute of each example; as long as ``references``.

    Raises:
        XferError: for ``bucc_f1``, whose pairs are no examples with attributes, and as the metric itself.
    """
    if metric == "bucc_f1":
        raise XferError("Mined pairs are not examples, so they have no buckets.")
    chosen = METRICS.get(metric)
    rows = chosen.rows(predictions, references, language)
    if len(values) != len(rows):
        raise XferError(f"{language}: {len(values)} attributes for {len(rows)} examples.")
    return _filled(chosen, rows, values, list(borders) if borders is not None else edges(values))


def _filled(
    metric: Metric, rows: np.ndarray, values: Sequence[float], borders: Sequence[float]
) -> list[Bucket]:
    """The metric on each bucket, from what each example contributes (``rows``, one for each of
    ``values``)."""
    place, found = which(values, borders), []
    for i in range(max(len(borders) - 1, 1)):
        members = rows[place == i]
        value = float(metric.of(members.sum(axis=0))) if len(members) else None
        found.append(Bucket(borders[i], borders[min(i + 1, len(borders) - 1)], len(members), value))
    return found


def analysis(
    kind: TaskKind,
    metric: str,
    examples: Mapping[str, Sequence[Mapping[str, Any]]],
    predictions: Mapping[str, Sequence],
    references: Mapping[str, Sequence],
    consistency: Callable[[str, str], float] | None = None,
) -> list[dict[str, Any]]:
    """Scores by language and by every attribute defined for the kind: one row for each bucket.

    Borders are those of all languages together, so that languages compare. An attribute that is the
    same everywhere has no buckets.

    Args:
        examples, predictions, references: by language, in one order.
        consistency: of entities with the training data (:func:`label_consistency`), where these are known.
    """
    chosen = METRICS.get(metric)
    of = {language: [attributes(kind, example) for example in mine] for language, mine in examples.items()}
    names = dict.fromkeys(name for mine in of.values() for values in mine for name in values)
    rows = (
        {language: chosen.rows(predictions[language], references[language], language) for language in of}
        if names
        else {}
    )
    found = []
    for name in names:
        borders = edges([values[name] for mine in of.values() for values in mine])
        if len(borders) > 2:
            for language, mine in of.items():
                buckets = _filled(chosen, rows[language], [values[name] for values in mine], borders)
                found += [{"language": language, "attribute": name, **vars(bucket)} for bucket in buckets]
    if metric == "entity_f1":
        for language in of:
            sides = predictions[language], references[language]
            by = {"entity_length": by_entity(*sides, ENTITY_LENGTHS)}
            if consistency:
                by["label_consistency"] = by_entity(
                    *sides, CONSISTENCIES, consistency, [example["words"] for example in examples[language]]
                )
            found += [
                {"language": language, "attribute": name, **vars(bucket)}
                for name, buckets in by.items()
                for bucket in buckets
            ]
    return found


def label_consistency(
    words_of: Sequence[Sequence[str]], tags: Sequence[Sequence[str]]
) -> Callable[[str, str], float]:
    """From training sentences: (text of an entity, type) -> share of its occurrences
    there that had that type, 0-1."""
    seen: dict[str, Counter] = defaultdict(Counter)
    for text, kind in _entities(words_of, tags):
        seen[text][kind] += 1

    def consistency(text: str, kind: str) -> float:
        counts = seen.get(text)
        return counts[kind] / counts.total() if counts else 0.0

    return consistency


def _entities(words_of: Sequence[Sequence[str]], tags: Sequence[Sequence[str]]) -> Iterable[tuple[str, str]]:
    flat = [
        word for sentence in words_of for word in (*sentence, "")
    ]  # chunks count one place between sentences
    for _, kind, first, last in chunks(tags):
        yield " ".join(flat[first : last + 1]), kind


def by_entity(
    predictions: Sequence[Sequence[str]],
    references: Sequence[Sequence[str]],
    borders: Sequence[float],
    attribute: Callable[[str, str], float] | None = None,
    words_of: Sequence[Sequence[str]] | None = None,
) -> list[Bucket]:
    """Entity F1 by an attribute of the entity itself, gold and predicted ones alike.

    Args:
        attribute: of an entity's text and type (``label_consistency``); needs ``words_of``, the sentences'
            words. None: the entity's length in words.
    """
    if attribute is not None and words_of is None:
        raise XferError("An attribute of the entity's text needs the words of the sentences.")
    flat = [word for sentence in words_of or [] for word in (*sentence, "")]
    sides = []
    for side in (references, predictions):
        spans = sorted(set(chunks(side)))
        values = [
            last - first + 1 if attribute is None else attribute(" ".join(flat[first : last + 1]), kind)
            for _, kind, first, last in spans
        ]
        sides.append((spans, which(values, borders)))
    (gold, gold_place), (mine, mine_place) = sides
    found = []
    for i in range(max(len(borders) - 1, 1)):
        wanted = {span for span, place in zip(gold, gold_place, strict=True) if place == i}
        guessed = {span for span, place in zip(mine, mine_place, strict=True) if place == i}
        value = float(f1(len(wanted & guessed), len(guessed), len(wanted))[2]) if wanted else None
        found.append(Bucket(borders[i], borders[min(i + 1, len(borders) - 1)], len(wanted), value))
    return found
