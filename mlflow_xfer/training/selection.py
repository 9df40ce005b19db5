"""Scores that choose a checkpoint: plain, on dev, and independent of what reports print.

Training must not depend on ``mlflow_xfer.scoring``: a correction of a reported metric would otherwise retrain
everything. All are 0-100 and the higher the better, but for language models, whose loss counts negatively.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence


def accuracy(predictions: Sequence, references: Sequence) -> float:
    return 100.0 * sum(p == r for p, r in zip(predictions, references, strict=True)) / max(len(references), 1)


def combined(scores: Mapping[str, Mapping[str, float]], lm: str) -> float | None:
    """One figure of a checkpoint: the plain mean over tasks (jiant's EqualMetricAggregator) of their English
    dev score.

    A task without English dev counts with the mean of its languages. ``lm`` is the key of the language model,
    whose loss counts only where there is no task: losses and scores do not mix.
    """

    def english(languages: Mapping[str, float]) -> float:
        return languages["en"] if "en" in languages else sum(languages.values()) / len(languages)

    scored = {key: english(languages) for key, languages in scores.items() if languages}
    tasks = [value for key, value in scored.items() if key != lm]
    if tasks:
        return sum(tasks) / len(tasks)
    return -scored[lm] if lm in scored else None


def is_chance(predictions: Sequence, references: Sequence) -> bool:
    """Whether predictions do no better than always the commonest label, by more than a standard error.

    Fine-tuning large models sometimes ends at chance (protocol 13.15); such runs are flagged, never dropped.
    """
    if not references:
        return False
    commonest = Counter(references).most_common(1)[0][1] / len(references)
    error = math.sqrt(commonest * (1 - commonest) / len(references))
    return accuracy(predictions, references) / 100 <= commonest + error
