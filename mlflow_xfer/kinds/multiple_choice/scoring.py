"""How choices are judged: accuracy of their numbers, filed as XCOPA's rows."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mlflow_xfer.data.labels import number_of
from mlflow_xfer.scoring import prediction_files
from mlflow_xfer.scoring.accuracy import accuracy, plain
from mlflow_xfer.scoring.baselines import majority_label
from mlflow_xfer.scoring.evaluation import Answered
from mlflow_xfer.scoring.formats import Format
from mlflow_xfer.scoring.problems import Problem, counted
from mlflow_xfer.tasks.task import Task


class Choices(Format):
    """One JSON object a line, with the number of a choice under ``label``."""

    extension = "jsonl"

    def predictions(self, path: Path) -> list[int]:
        return prediction_files.choices(path)

    def labels(self, path: Path) -> list[int]:
        return prediction_files.choices(path)

    def text(self, values: Sequence, ids: Sequence[str] | None, path: Path) -> str:
        return "".join(json.dumps({"label": int(value)}) + "\n" for value in values)

    def problems(self, path: Path, gold: Path | None, task: Task, language: str) -> list[Problem]:
        values = prediction_files.choices(path)
        problems = counted(len(values), prediction_files.choices(gold) if gold else None, task, "rows")
        if set(values) - {0, 1}:
            problems.append((f"labels are 0 or 1: {sorted(set(values))[:5]}", True))
        return problems


CHOICES = Choices()


class MultipleChoice(Answered):
    name = "multiple_choice"
    metrics = {"accuracy": accuracy("accuracy", "share of questions with the right choice")}
    may_lack = ("context", "question")

    def options(self, task: Task, table: Any) -> Sequence[int] | None:
        """The number of each example's choices."""
        names = table.column_names if hasattr(table, "column_names") else table.columns
        return [len(choices) for choices in table["choices"]] if "choices" in names else None

    def value(self, given: Any) -> Any:
        return None if given is None else number_of(given)

    def alien(self, task: Task, predictions: Sequence[Any]) -> bool:
        return not any(one.isdecimal() for one in predictions)

    def shown(self, row: Mapping[str, Any], answer: int) -> str:
        return row["choices"][answer]

    def baselines(
        self,
        metric: str,
        references: Sequence,
        training: Sequence | None,
        options: Sequence[int] | None,
        language: str,
        rng: Any,
    ) -> dict[str, float]:
        if options is None:
            options = [len(set(map(plain, references)))]
        return {
            "chance": float(np.mean([100.0 / n for n in options])),
            "majority": majority_label(metric, references, training, language),
        }

    def file_format(self, task: Task) -> Format:
        return CHOICES


KIND = MultipleChoice()
