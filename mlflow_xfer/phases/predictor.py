"""What a model in a directory makes of a task's rows: the hand through which a kind's evaluation predicts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlflow_xfer.kinds import kind
from mlflow_xfer.tasks.task import Task


@dataclass(frozen=True)
class CheckpointPredictor:
    """A :class:`mlflow_xfer.scoring.evaluation.Predictor`; ``options`` are those of a prediction."""

    directory: Path
    task: Task
    options: Mapping[str, Any] = field(default_factory=dict)

    def answers(self, splits: Mapping[str, Any]) -> dict[str, list]:
        from mlflow_xfer.training.predict import predict

        return predict(self.directory, self.task, splits, **self.options)

    def vectors(self, splits: Mapping[str, Any]) -> Mapping[str, Any]:
        return kind.model(self.task.kind).vectors(self.directory, self.task, splits, **self.options)

    def encoding(self, splits: Mapping[str, Any]) -> dict[str, dict[str, float]]:
        """By split, how the tokenizer fares: ``fertility`` and ``truncated``."""
        from mlflow_xfer.training.predict import encoding_counts

        return encoding_counts(
            self.directory, self.task, splits, max_seq_length=self.options["max_seq_length"]
        )
