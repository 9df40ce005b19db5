"""How labels are judged: accuracy, filed one a line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mlflow_xfer.data.labels import named
from mlflow_xfer.scoring.accuracy import accuracy, plain
from mlflow_xfer.scoring.baselines import majority_label
from mlflow_xfer.scoring.evaluation import Answered
from mlflow_xfer.scoring.formats import Format, Labels
from mlflow_xfer.tasks.task import Task

LABELS = Labels()


class Classification(Answered):
    name = "classification"
    metrics = {"accuracy": accuracy("accuracy", "share of examples with the right label")}
    may_lack = ("text_b",)

    def values(self, task: Task, given: Sequence[Any]) -> list[Any]:
        name_of = named(task.labels)
        return [None if one is None else name_of(one) for one in given]

    def undeclared(self, task: Task, right: Sequence[Any]) -> list[Any]:
        return [label for label in right if label not in task.labels] if task.labels else []

    def alien(self, task: Task, predictions: Sequence[Any]) -> bool:
        return bool(task.labels) and {*task.labels}.isdisjoint(predictions)

    def baselines(
        self,
        metric: str,
        references: Sequence,
        training: Sequence | None,
        options: Sequence | None,
        language: str,
        rng: Any,
    ) -> dict[str, float]:
        labels = set(map(plain, options or references))
        return {
            "chance": 100.0 / len(labels),
            "majority": majority_label(metric, references, training, language),
        }

    def file_format(self, task: Task) -> Format:
        return LABELS


KIND = Classification()
