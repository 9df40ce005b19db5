"""What a model in a directory makes of a task's rows: the hand through which a kind's evaluation predicts."""

from __future__ import annotations

import shutil
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


@dataclass(frozen=True)
class SwappingPredictor(CheckpointPredictor):
    """Predicts each language with its own adapter in the weights (``models/language.py``).

    Args:
        adapters: folders of adapters by language; of other languages the weights stay.
        work: where the weights of one language lie while it is predicted.
    """

    adapters: Mapping[str, Path] = field(default_factory=dict)
    work: Path = Path()

    def answers(self, splits: Mapping[str, Any]) -> dict[str, list]:
        from mlflow_xfer.models import language
        from mlflow_xfer.training.predict import predict

        found: dict[str, list] = {}
        for name, split in splits.items():
            folder = self.directory
            if name in self.adapters:
                shutil.rmtree(self.work, ignore_errors=True)
                folder = language.put(folder, self.adapters[name], self.work)
            found |= predict(folder, self.task, {name: split}, **self.options)
        shutil.rmtree(self.work, ignore_errors=True)
        return found
