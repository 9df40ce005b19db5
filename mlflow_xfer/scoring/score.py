"""A score: one metric over one language's examples, 0-100, with an interval over those examples.

A metric is declared by what each example contributes (a row of additive counts) and by how the summed
counts become figures. The score, its components and its interval all come from those two, so that a
bootstrap costs no second pass over the texts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mlflow_xfer.errors import XferError
from mlflow_xfer.registry import Registry


@dataclass(frozen=True)
class Score:
    """``value`` on a 0-100 scale; ``low``/``high`` its 95 % interval over ``n`` examples."""

    value: float
    components: Mapping[str, float]
    low: float
    high: float
    n: int


@dataclass(frozen=True)
class Metric:
    """One way to score.

    ``rows(predictions, references, language)`` gives an array ``[n, k]`` of additive counts, one row per
    example (sentence, question, query); ``figures(sums)`` turns sums ``[..., k]`` into named figures
    ``[...]`` on 0-100. The score is the mean of the figures named in ``value``: XTREME's rule for QA (EM and
    F1), one figure elsewhere. ``interval`` is ``wilson`` (each example right or wrong) or ``bootstrap``.
    """

    name: str
    rows: Callable[[Sequence, Sequence, str], np.ndarray]
    figures: Callable[[np.ndarray], dict[str, np.ndarray]]
    value: tuple[str, ...]
    interval: str = "bootstrap"
    description: str = ""

    def of(self, sums: np.ndarray) -> np.ndarray:
        """The score for summed counts ``[..., k]``; shape ``[...]``."""
        figures = self.figures(sums)
        return sum(figures[name] for name in self.value) / len(self.value)


def _load() -> None:
    from mlflow_xfer.scoring import accuracy, qa, retrieval, tagging  # noqa: F401  (each adds its metrics)


METRICS: Registry[Metric] = Registry("metric", load=_load)


def score(metric: str, predictions: Sequence, references: Sequence, language: str, *, seed: int = 0) -> Score:
    """Score one language.

    What the sequences hold depends on the metric: labels (``accuracy``, ``retrieval_accuracy``), lists of
    tags (``tag_f1``, ``entity_f1``), an answer text and a list of gold texts (``squad``, ``mlqa``), ranked
    ids and gold ids (``map_at_20``); for ``bucc_f1`` they are two sets of pairs and need not be equally long.

    Raises:
        XferError: unknown metric, no examples, sequences of unequal length, or values the metric cannot read.
    """
    from mlflow_xfer.proportions import wilson
    from mlflow_xfer.scoring.intervals import bootstrap

    chosen = METRICS.get(metric)
    rows = chosen.rows(predictions, references, language)
    if not len(rows):
        raise XferError(f"{language}: nothing to score with {metric!r}: there is no example.")
    sums = rows.sum(axis=0)
    figures = {name: float(value) for name, value in chosen.figures(sums).items()}
    value = float(chosen.of(sums))
    if chosen.interval == "wilson":
        low, high = wilson(float(sums[0]), len(rows))
    else:
        low, high = bootstrap(rows, chosen.of, seed=seed)
    # Sums are added up in another order there: rounding must not leave the score outside its own interval.
    return Score(value, figures, min(low, value), max(high, value), len(rows))


def paired(predictions: Sequence, references: Sequence, language: str, what: str = "examples") -> None:
    """Refuse sequences of unequal length.

    Raises:
        XferError: naming the language and both lengths.
    """
    if len(predictions) != len(references):
        raise XferError(
            f"{language}: {len(predictions)} predicted {what} for {len(references)} references.",
            "Give exactly one prediction per reference, in the references' order.",
        )


def ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """``100 * part / whole``, 0 where ``whole`` is 0; elementwise."""
    part, whole = np.asarray(part, float), np.asarray(whole, float)
    return 100.0 * np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)


def f1(
    correct: np.ndarray, predicted: np.ndarray, gold: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Micro precision, recall and F1 (0-100) of counts; 0 where undefined, as seqeval and XTREME have it."""
    precision, recall = ratio(correct, predicted), ratio(correct, gold)
    total = precision + recall
    return (
        precision,
        recall,
        np.divide(2 * precision * recall, total, out=np.zeros_like(total), where=total > 0),
    )
