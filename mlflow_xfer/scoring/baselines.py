"""Majority and chance rows: what a score must be compared with before it means anything.

``majority`` predicts the most frequent thing of the training data for every example (of the
references, where no training data are given: then it is the best constant prediction, an upper
bound). ``chance`` draws uniformly.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from mlflow_xfer.scoring.accuracy import plain
from mlflow_xfer.scoring.qa import gold_texts
from mlflow_xfer.scoring.score import METRICS

DRAWS = 5  # chance of F1-like metrics has no closed form: mean of this many random predictions


def baselines(
    metric: str,
    references: Sequence,
    training: Sequence | None = None,
    labels: Sequence | None = None,
    language: str = "",
    *,
    seed: int = 0,
) -> dict[str, float]:
    """``{"chance": …, "majority": …}`` on 0-100 for one language.

    Args:
        references: as for :func:`mlflow_xfer.scoring.score.score`.
        training: the references of the training split, in the same form; None if there are none.
        labels: all labels or tags of the task; the number of choices per example for multiple choice; the
            pool of candidates for ``map_at_20``. None: what the references hold.
    """
    made = _BASELINES.get(metric, _none)
    return made(metric, references, training, labels, language, np.random.default_rng(seed))


def _most_frequent(values: Iterable) -> object:
    """The most frequent value; ties go to the first in sorted order, so that the
    order of examples has no say."""
    counts = Counter(values)
    return min(counts, key=lambda value: (-counts[value], str(value)))


def _value(metric: str, predictions: Sequence, references: Sequence, language: str) -> float:
    chosen = METRICS.get(metric)
    return float(chosen.of(chosen.rows(predictions, references, language).sum(axis=0)))


def _chance(draw: Callable[[], Sequence], metric: str, references: Sequence, language: str) -> float:
    return float(np.mean([_value(metric, draw(), references, language) for _ in range(DRAWS)]))


def _label(metric, references, training, labels, language, rng) -> dict[str, float]:
    references = [plain(r) for r in references]
    majority = _most_frequent(
        [plain(t) for t in training] if training is not None and len(training) else references
    )
    sizes = len(set(map(plain, labels)) if labels is not None and len(labels) else set(references))
    if (
        labels is not None and len(labels) and all(isinstance(label, int) for label in labels)
    ):  # choices of each example
        return {
            "chance": float(np.mean([100.0 / n for n in labels])),
            "majority": _value(metric, [majority] * len(references), references, language),
        }
    return {
        "chance": 100.0 / sizes,
        "majority": _value(metric, [majority] * len(references), references, language),
    }


def _index(metric, references, training, labels, language, rng) -> dict[str, float]:
    # The candidates are the sentences of the other side, as many as there are queries: any constant guess
    # is chance.
    return {"chance": 100.0 / len(references), "majority": 100.0 / len(references)}


def _tags(metric, references, training, labels, language, rng) -> dict[str, float]:
    references = [list(r) for r in references]
    seen = training if training is not None and len(training) else references
    majority = _most_frequent(tag for sentence in seen for tag in sentence)
    if labels is None or not len(labels):
        labels = {tag for sentence in references for tag in sentence}
    tags = np.array(sorted(labels), dtype=object)

    def draw() -> list[list[str]]:
        return [list(tags[rng.integers(0, len(tags), len(sentence))]) for sentence in references]

    return {
        "chance": _chance(draw, metric, references, language),
        "majority": _value(
            metric, [[majority] * len(sentence) for sentence in references], references, language
        ),
    }


def _answers(metric, references, training, labels, language, rng) -> dict[str, float]:
    seen = [
        next(iter(gold_texts(r)), "")
        for r in (training if training is not None and len(training) else references)
    ]
    pool = np.array(sorted(seen), dtype=object)

    def draw() -> list[str]:
        return list(pool[rng.integers(0, len(pool), len(references))])

    return {
        "chance": _chance(draw, metric, references, language),
        "majority": _value(metric, [_most_frequent(seen)] * len(references), references, language),
    }


def _ranked(metric, references, training, labels, language, rng) -> dict[str, float]:
    pool = np.array(
        sorted(set(labels) if labels is not None else {g for gold in references for g in gold}), object
    )

    def draw() -> list[list]:
        # Of a large pool with replacement: a list of 20 repeats itself once in 5,000 draws, and a permutation
        # takes long.
        large = len(pool) > 1_000_000 / max(len(references), 1)
        return [
            list(pool[rng.integers(0, len(pool), 20)] if large else rng.permutation(pool)[:20])
            for _ in references
        ]

    frequent = Counter(g for gold in (training if training is not None else references) for g in gold)
    constant = sorted(frequent, key=lambda item: (-frequent[item], str(item)))[:20]
    return {
        "chance": _chance(draw, metric, references, language),
        "majority": _value(metric, [constant] * len(references), references, language),
    }


def _none(metric, references, training, labels, language, rng) -> dict[str, float]:
    """BUCC: a random pair is right about once in a million, and there is no class to be frequent."""
    return {"chance": 0.0, "majority": 0.0}


_BASELINES = {
    "accuracy": _label,
    "retrieval_accuracy": _index,
    "tag_f1": _tags,
    "entity_f1": _tags,
    "tag_accuracy": _tags,
    "squad": _answers,
    "mlqa": _answers,
    "squad_v2": _answers,
    "map_at_20": _ranked,
}
