"""Runs an evaluation: one task, all its languages, zero-shot; scores beside chance
and majority, and predictions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlflow_xfer.data import sources
from mlflow_xfer.phases import retrieval
from mlflow_xfer.phases.overlaps import training_rows
from mlflow_xfer.phases.phase import Base, Phase
from mlflow_xfer.phases.start import starting_point
from mlflow_xfer.scoring.baselines import baselines
from mlflow_xfer.scoring.buckets import analysis, label_consistency
from mlflow_xfer.scoring.score import score
from mlflow_xfer.tasks.task import Task, TaskKind


@dataclass(frozen=True)
class Evaluation:
    """What an evaluation found.

    Attributes:
        rows: one dict for each language: task, language, metric, score, low, high, n, chance, majority,
            components, and how the tokenizer fares: fertility (subwords per word) and truncated (examples
            beyond the length limit, 0-100).
        predictions: language -> predictions in the task's own terms.
        ids: language -> ids of the examples, in the same order.
        buckets: scores by attributes of the examples, one dict for each language, attribute and bucket.
    """

    rows: Sequence[Mapping[str, Any]]
    predictions: Mapping[str, Sequence[Any]]
    ids: Mapping[str, Sequence[str]]
    buckets: Sequence[Mapping[str, Any]] = ()

    @property
    def scores(self) -> dict[str, float]:
        return {row["language"]: row["score"] for row in self.rows}


def evaluate_phase(phase: Phase, start: Path | Base, work: Path) -> Evaluation:
    """Predict and score every language of the phase's task."""
    task = phase.tasks[0]
    begin = starting_point(phase, start, work / "start")
    options = {
        name: phase.settings[name]
        for name in ("layer", "pooling", "max_seq_length")
        if name in phase.settings
    }
    if task.kind == TaskKind.RETRIEVAL:
        return evaluate_retrieval(phase, begin, options)
    from mlflow_xfer.training.predict import encoding_counts, predict

    splits = {
        rows.language: sources.subset(sources.read(task, rows), phase.settings["max_eval_examples"], 0)
        for rows in phase.rows
    }
    predicted = {
        language: in_order(found, splits[language])
        for language, found in predict(begin, task, splits, **options).items()
    }
    gold = {language: references(task, split) for language, split in splits.items()}
    read = encoding_counts(begin, task, splits, max_seq_length=phase.settings["max_seq_length"])
    rows = [
        row(task, language, predicted[language], gold[language], options_of(task, split)) | read[language]
        for language, split in splits.items()
    ]
    ids = {language: list(split["id"][:]) for language, split in splits.items()}
    return Evaluation(
        rows, predicted, ids, analysis(task.kind, task.metric, splits, predicted, gold, _consistency(phase))
    )


def _consistency(phase: Phase) -> Callable[[str, str], float] | None:
    """How surely an entity had its type in the rows that the target was trained on; None if it was
    not, or is not about entities."""
    tuned = next((p for p in phase.ancestors() if p.kind == "target"), None)
    if tuned is None or phase.tasks[0].metric != "entity_f1":
        return None
    read = [sources.read(tuned.tasks[0], rows) for rows in training_rows(tuned, tuned.tasks[0])]
    return label_consistency(
        *([value for split in read for value in split[column][:]] for column in ("words", "tags"))
    )


def evaluate_retrieval(phase: Phase, begin: Path, options: Mapping[str, Any]) -> Evaluation:
    """As :func:`evaluate_phase`; a row scored on dev, for want of a test set, says so in ``split``."""
    from mlflow_xfer.training.predict import encoding_counts

    task = phase.tasks[0]
    tests, devs, beside = retrieval.splits_of(phase)
    more: dict[str, dict[str, Any]] = {}
    if task.metric == "bucc_f1":
        (predicted, gold, ids, drawn), thresholds = retrieval.mined(task, tests, devs, begin, options)
        more = {
            code: {"component_threshold": value} | ({} if code in tests else {"split": "validation"})
            for code, value in thresholds.items()
        }
    elif task.metric == "map_at_20":
        predicted, gold, ids, drawn = retrieval.lists(task, tests, beside, begin, options)
    else:
        predicted, gold, ids, drawn = retrieval.translations(task, tests, begin, options)
    read = encoding_counts(
        begin,
        task,
        {code: tests[code] if code in tests else devs[code] for code in predicted},
        max_seq_length=phase.settings["max_seq_length"],
    )
    rows = [
        row(task, code, predicted[code], gold[code], drawn.get(code)) | read[code] | more.get(code, {})
        for code in predicted
    ]
    return Evaluation(rows, predicted, ids)


def in_order(found: Sequence[Any] | Mapping[str, Any], split: Any) -> list[Any]:
    """Predictions in the order of the split's examples (answers of span QA come keyed by example)."""
    return [found[key] for key in split["id"]] if isinstance(found, Mapping) else list(found)


def references(task: Task, split: Any) -> list[Any]:
    """What a split's predictions are compared with."""
    columns = {
        TaskKind.CLASSIFICATION: "label",
        TaskKind.TAGGING: "tags",
        TaskKind.MULTIPLE_CHOICE: "label",
        TaskKind.SPAN_QA: "answers",
    }
    found = list(split[columns[task.kind]])
    return [answers["text"] for answers in found] if task.kind == TaskKind.SPAN_QA else found


def options_of(task: Task, split: Any) -> Sequence[Any] | None:
    """What a random guess chooses from: the labels, or for multiple choice the
    number of each example's choices."""
    if task.kind == TaskKind.MULTIPLE_CHOICE:
        return [len(choices) for choices in split["choices"]]
    return task.labels or None


def row(
    task: Task,
    language: str,
    predicted: Sequence[Any],
    gold: Sequence[Any],
    options: Sequence[Any] | None,
    *,
    seed: int = 0,
) -> dict[str, Any]:
    """One line of the per-language table; ``options`` is what a random guess chooses
    from, ``seed`` the bootstrap's."""
    found = score(task.metric, predicted, gold, language, seed=seed)
    base = baselines(task.metric, gold, None, options, language)
    return {
        "task": task.name,
        "language": language,
        "metric": task.metric,
        "score": found.value,
        "low": found.low,
        "high": found.high,
        "n": found.n,
        "chance": base["chance"],
        "majority": base["majority"],
        **{f"component_{name}": value for name, value in found.components.items()},
    }
