"""Runs an evaluation: one task, all its languages, zero-shot; scores beside chance and majority, and
predictions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlflow_xfer.data import sources
from mlflow_xfer.kinds import kind
from mlflow_xfer.params.settings import RuntimeOptions
from mlflow_xfer.phases.corpus import corpus
from mlflow_xfer.phases.overlaps import training_rows
from mlflow_xfer.phases.phase import BaseModel, Phase
from mlflow_xfer.phases.predictor import CheckpointPredictor, SwappingPredictor
from mlflow_xfer.phases.start import starting_point
from mlflow_xfer.scoring.evaluation import row

EXAMPLES = 200  # of each language, in the table that is for readers


@dataclass(frozen=True)
class Evaluation:
    """What an evaluation found.

    Attributes:
        rows: one dict for each language: task, language, metric, score, low, high, n, chance, majority,
            components, and how the tokenizer fares: fertility (subwords per word) and truncated (examples
            beyond the length limit, 0-100). A row that is scored on dev, for want of a test set, says so in
            ``split``.
        predictions: language -> predictions in the task's own terms.
        ids: language -> ids of the examples, in the same order.
        buckets: scores by attributes of the examples, one dict for each language, attribute and bucket.
        examples: the first ones of each language with text, gold and predicted answer, where the kind has
            such.
    """

    rows: Sequence[Mapping[str, Any]]
    predictions: Mapping[str, Sequence[Any]]
    ids: Mapping[str, Sequence[str]]
    buckets: Sequence[Mapping[str, Any]] = ()
    examples: Sequence[Mapping[str, Any]] = ()

    @property
    def scores(self) -> dict[str, float]:
        return {row["language"]: row["score"] for row in self.rows}


def evaluate_phase(
    phase: Phase,
    start: Path | BaseModel,
    work: Path,
    runtime: RuntimeOptions = RuntimeOptions(),  # noqa: B008 - frozen
    adapters: Sequence[Path] = (),
) -> Evaluation:
    """Predict and score every language of the phase's task, as its kind says; ``adapters`` are those that
    are swapped in, of the languages that the phase names."""
    task, settings = phase.tasks[0], phase.evaluation
    options: dict[str, Any] = {"max_seq_length": settings.max_seq_length, "device": runtime.device}
    if not task.trained:
        options |= {"layer": settings.layer, "pooling": settings.pooling}
    if settings.shots:
        task = task.with_options(demonstrations=_demonstrations(phase))
    folder = starting_point(phase, start, work / "start", lambda: corpus(phase))
    predictor = CheckpointPredictor(folder, task, options)
    if adapters:
        by_language = dict(zip(settings.adapted, adapters, strict=True))
        predictor = SwappingPredictor(folder, task, options, by_language, work / "swapped")
    judging = kind.scoring(task.kind)
    read = [(rows, sources.read(task, rows)) for rows in phase.rows if rows.split != "train"]
    splits = judging.splits(task, read, settings.max_eval_examples, settings.scored)
    found = judging.evaluation(task, splits, predictor)
    encoding = predictor.encoding({language: one.split for language, one in found.items()})
    return Evaluation(
        [row(task, language, one) | encoding[language] | one.more for language, one in found.items()],
        {language: one.predictions for language, one in found.items()},
        {language: one.ids for language, one in found.items()},
        judging.buckets(task, found, lambda: _trained_on(phase)),
        [
            example
            for language, one in found.items()
            for example in judging.examples(task, language, one, EXAMPLES)
        ],
    )


def _demonstrations(phase: Phase) -> str:
    """The solved examples before each question: training rows, drawn by the seed."""
    task = phase.tasks[0]
    source = next(rows for rows in phase.rows if rows.split == "train")
    assert phase.seed is not None, "stated where examples are drawn"
    drawn = sources.subset(sources.read(task, source), phase.evaluation.shots, phase.seed)
    return kind.data(task.kind).demonstrations(task, drawn)


def _trained_on(phase: Phase) -> list[Any]:
    """The data sets that the target was trained on; none where it was not."""
    tuned = next((p for p in phase.ancestors() if p.kind == "target"), None)
    if tuned is None:
        return []
    return [sources.read(tuned.tasks[0], rows) for rows in training_rows(tuned, tuned.tasks[0])]
