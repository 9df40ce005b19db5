"""How grades are judged: by correlation, filed one number a line."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from mlflow_xfer.errors import XferError
from mlflow_xfer.scoring import prediction_files
from mlflow_xfer.scoring.correlation import correlation
from mlflow_xfer.scoring.evaluation import Answered
from mlflow_xfer.scoring.formats import Format, cell
from mlflow_xfer.scoring.problems import Problem, counted
from mlflow_xfer.tasks.task import Task


class Numbers(Format):
    """One number a line."""

    def predictions(self, path: Path) -> list[float]:
        return [_number(line, path, number) for number, line in enumerate(prediction_files.lines(path), 1)]

    labels = predictions

    def text(self, values: Sequence, ids: Sequence[str] | None, path: Path) -> str:
        return "".join(cell(repr(float(value)), path) + "\n" for value in values)

    def problems(self, path: Path, gold: Path | None, task: Task, language: str) -> list[Problem]:
        values = self.predictions(path)
        problems = counted(len(values), prediction_files.lines(gold) if gold else None, task, "lines")
        if len(set(values)) == 1 and len(values) > 1:
            problems.append((f"every prediction is {values[0]:g}: a collapsed model?", False))
        return problems


def _number(line: str, path: Path, number: int) -> float:
    with suppress(ValueError):
        if "_" not in line and math.isfinite(float(line)):  # 1_000 is one of Python's numbers
            return float(line)
    raise XferError(f"{path}:{number}: {line!r:.40} is no finite number.", "One number a line.")


NUMBERS = Numbers()


class Regression(Answered):
    name = "regression"
    metrics = {
        "pearson": correlation("pearson", "linear correlation of predicted with gold grades"),
        "spearman": correlation("spearman", "correlation of the ranks of predicted and gold grades"),
    }
    may_lack = ("text_b",)

    def value(self, given: Any) -> Any:
        try:
            return None if given is None else float(given)
        except (TypeError, ValueError):
            raise XferError(
                f"{given!r:.40} is no number.", "Predictions and references of regression are numbers."
            ) from None

    def file_format(self, task: Task) -> Format:
        return NUMBERS


KIND = Regression()
