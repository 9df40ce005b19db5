"""A score: one metric over one language's examples, with an interval over those examples.

A metric is declared by what each example contributes (a row of numbers) and by how rows become figures. The
score, its components and its interval all come from those two, so that a bootstrap costs no second pass over
the texts. Metrics stand in the folders of the kinds that they score; :func:`metric_of` finds one by its name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mlflow_xfer.errors import XferError
from mlflow_xfer.kinds import kind
from mlflow_xfer.proportions import wilson
from mlflow_xfer.scoring.intervals import bootstrap, bootstrap_of_samples
from mlflow_xfer.tasks.task import Task


@dataclass(frozen=True)
class Score:
    """``value``, 0-100 (correlations: -100 to 100); ``low``/``high`` its 95 %
    interval over ``n`` examples."""

    value: float
    components: Mapping[str, float]
    low: float
    high: float
    n: int


@dataclass(frozen=True)
class Metric:
    """One way to score.

    ``rows(predictions, references, language)`` gives an array ``[n, k]``, one row per example (sentence,
    question, query). The score is the mean of the figures named in ``value``: XTREME's rule for QA (EM and
    F1), one figure elsewhere.

    Attributes:
        figures: from sums ``[..., k]`` of additive rows to named figures ``[...]``, 0-100; with ``sample``
            from whole samples of rows ``[..., n, k]``.
        interval: ``wilson`` (each example right or wrong) or ``bootstrap`` (wilson where all are alike).
        sample: figures are of whole samples and not of sums: correlations.
    """

    name: str
    rows: Callable[[Sequence, Sequence, str], np.ndarray]
    figures: Callable[[np.ndarray], dict[str, np.ndarray]]
    value: tuple[str, ...]
    interval: str = "bootstrap"
    description: str = ""
    sample: bool = False

    def __str__(self) -> str:
        return self.name

    def of(self, given: np.ndarray) -> np.ndarray:
        """The score for sums ``[..., k]``, with ``sample`` for samples ``[..., n, k]``; shape ``[...]``."""
        figures = self.figures(given)
        return np.mean([figures[name] for name in self.value], axis=0)

    def gathered(self, rows: np.ndarray) -> np.ndarray:
        """What :attr:`figures` and :meth:`of` take for the examples of ``rows`` together."""
        return rows if self.sample else rows.sum(axis=0)

    def limits(self, rows: np.ndarray, seed: int) -> tuple[float, float]:
        """The 95 % interval over the examples of ``rows``.

        A bootstrap of examples that are all wrong, or all right, has no width, however few they are: they get
        the interval of a proportion.
        """
        if self.interval == "wilson":
            return wilson(float(rows[:, 0].sum()), len(rows))
        if self.sample:
            return bootstrap_of_samples(rows, self.of, seed=seed)
        low, high = bootstrap(rows, self.of, seed=seed)
        if low == high and low in (0.0, 100.0):
            return wilson(len(rows) * low / 100, len(rows))
        return low, high


def metric_of(metric: str | Metric) -> Metric:
    """A metric by its name, or as it is; raises :class:`XferError` if no kind has it."""
    return metric if isinstance(metric, Metric) else kind.scoring(kind.of_metric(metric)).metrics[metric]


def judging(task: Task) -> Metric:
    """The metric of a task, as its options have it."""
    return kind.scoring(task.kind).metric(task)


def score(
    metric: str | Metric, predictions: Sequence, references: Sequence, language: str, *, seed: int = 0
) -> Score:
    """Score one language; a name means the metric as XTREME has it.

    What the sequences hold depends on the metric: labels (``accuracy``, ``retrieval_accuracy``), lists of
    tags (``tag_f1``, ``entity_f1``), an answer text and a list of gold texts (``squad``, ``mlqa``), ranked
    ids and gold ids (``map_at_20``); for ``bucc_f1`` they are two sets of pairs and need not be equally long.

    Raises:
        XferError: unknown metric, no examples, sequences of unequal length, or values the metric cannot read.
    """
    chosen = metric_of(metric)
    rows = chosen.rows(predictions, references, language)
    if not len(rows):
        raise XferError(f"{language}: nothing to score with {metric!r}: there is no example.")
    together = chosen.gathered(rows)
    figures = {name: float(value) for name, value in chosen.figures(together).items()}
    value = float(chosen.of(together))
    low, high = chosen.limits(rows, seed)
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
