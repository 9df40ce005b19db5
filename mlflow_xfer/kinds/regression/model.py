"""Regression: one number for a text or pair, trained by its squared error."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from torch import Tensor, nn

from mlflow_xfer.data.encoded import Encoded
from mlflow_xfer.models.standard import OfTexts, gives_numbers
from mlflow_xfer.tasks.task import Task
from mlflow_xfer.training.batches import Reading, column, padded
from mlflow_xfer.training.predict import in_one_stream, outputs


class Regression(OfTexts):
    name = "regression"
    auto = "AutoModelForSequenceClassification"
    architectures = "MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES"

    def head_config(self, task: Task, config: Any) -> Any:
        config = super().head_config(task, config)
        config.num_labels = 1
        config.problem_type = self.name
        return config

    def loaded(self, config: Mapping[str, Any]) -> bool:
        return super().loaded(config) and gives_numbers(config)

    def inputs(self, encoded: Encoded, rows: Sequence[int], how: Reading) -> dict[str, Tensor]:
        return padded(encoded, rows, how)

    def targets(
        self, encoded: Encoded, rows: Sequence[int], inputs: Mapping[str, Tensor]
    ) -> tuple[dict[str, Tensor], int]:
        return {"labels": column(encoded, "label", rows)}, len(rows)

    def loss_sum(self, output: Any, targets: Mapping[str, Tensor]) -> Tensor:
        """Squared errors, summed."""
        return nn.functional.mse_loss(output.logits[:, 0].float(), targets["labels"].float(), reduction="sum")

    def answers(
        self,
        head: nn.Module,
        task: Task,
        encoded: Mapping[str, Encoded],
        splits: Mapping[str, Any],
        how: Reading,
        token_budget: int,
    ) -> dict[str, list]:
        """Numbers."""

        def answer(rows_of_all: Encoded) -> list[float]:
            values = np.zeros(len(rows_of_all), np.float32)
            for rows, output in outputs(head, task, rows_of_all, how, token_budget):
                values[rows] = output.logits[:, 0].float().cpu().numpy()
            return values.tolist()

        return in_one_stream(encoded, answer)

    def dev_score(self, task: Task, predictions: Sequence, references: Sequence) -> float:
        """Pearson's correlation, times 100; 0 where one side is constant."""
        sides = np.array([predictions, references], np.float64)
        if sides.shape[1] < 2 or (np.ptp(sides, axis=1) == 0).any():
            return 0.0
        return 100.0 * float(np.corrcoef(sides[0], sides[1])[0, 1])

    def is_collapsed(self, task: Task, predictions: Sequence, references: Sequence) -> bool:
        """Whether predictions vary by less than a hundredth of the spread of what is right."""
        return len(references) > 1 and float(np.std(predictions)) <= 0.01 * float(np.std(references))


KIND = Regression()
