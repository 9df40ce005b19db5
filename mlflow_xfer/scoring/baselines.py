"""Majority and chance rows: what a score must be compared with before it means anything.

``majority`` predicts the most frequent thing of the training data for every example (of the
references, where no training data are given: then it is the best constant prediction, an upper
bound). ``chance`` draws uniformly.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from mlflow_xfer.kinds import kind
from mlflow_xfer.scoring.accuracy import plain
from mlflow_xfer.scoring.score import Metric, metric_of

DRAWS = 5  # chance of F1-like metrics has no closed form: mean of this many random predictions


def baselines(
    metric: str | Metric,
    references: Sequence,
    training: Sequence | None = None,
    options: Sequence | None = None,
    language: str = "",
    *,
    task_kind: str = "",
    seed: int = 0,
) -> dict[str, float]:
    """``{"chance": …, "majority": …}`` on 0-100 for one language.

    Args:
        references: as for :func:`mlflow_xfer.scoring.score.score`.
        training: the references of the training split, in the same form; None if there are none.
        options: all labels or tags of the task; the number of choices per example for multiple choice; the
            pool of candidates for ranked lists. None: what the references hold.
        task_kind: where several kinds have the metric.
    """
    judging, rng = kind.scoring(kind.of_metric(str(metric), task_kind)), np.random.default_rng(seed)
    return judging.baselines(metric, references, training, options, language, rng)


def most_frequent(values: Iterable) -> Any:
    """The most frequent value; ties go to the first in sorted order, so that the
    order of examples has no say."""
    counts = Counter(values)
    return min(counts, key=lambda value: (-counts[value], str(value)))


def value_of(metric: str | Metric, predictions: Sequence, references: Sequence, language: str) -> float:
    """The score alone."""
    chosen = metric_of(metric)
    return float(chosen.of(chosen.gathered(chosen.rows(predictions, references, language))))


def mean_of_draws(
    draw: Callable[[], Sequence], metric: str | Metric, references: Sequence, language: str
) -> float:
    """The mean score of some random predictions."""
    return float(np.mean([value_of(metric, draw(), references, language) for _ in range(DRAWS)]))


def majority_label(
    metric: str | Metric, references: Sequence, training: Sequence | None, language: str
) -> float:
    """The score of the most frequent label."""
    seen = training if training is not None and len(training) else references
    return value_of(metric, [most_frequent(map(plain, seen))] * len(references), references, language)
