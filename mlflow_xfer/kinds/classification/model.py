"""Classification: one of the task's labels for a text or pair."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from torch import Tensor

from mlflow_xfer.data.encoded import Encoded
from mlflow_xfer.models.embed import pooled
from mlflow_xfer.models.heads import label_loss_sum
from mlflow_xfer.models.standard import Labelled, OfTexts, gives_numbers
from mlflow_xfer.tasks.task import Task
from mlflow_xfer.training.batches import Reading, column, padded
from mlflow_xfer.training.label_free import information
from mlflow_xfer.training.predict import allowed_labels, in_one_stream, outputs
from mlflow_xfer.training.selection import accuracy, is_chance


class Classification(OfTexts, Labelled):
    name = "classification"
    auto = "AutoModelForSequenceClassification"
    architectures = "MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES"

    def head_config(self, task: Task, config: Any) -> Any:
        config = super().head_config(task, config)
        config.problem_type = "single_label_classification"
        return config

    def loaded(self, config: Mapping[str, Any]) -> bool:
        return super().loaded(config) and not gives_numbers(config)

    def inputs(self, encoded: Encoded, rows: Sequence[int], how: Reading) -> dict[str, Tensor]:
        return padded(encoded, rows, how)

    def targets(
        self, encoded: Encoded, rows: Sequence[int], inputs: Mapping[str, Tensor]
    ) -> tuple[dict[str, Tensor], int]:
        return {"labels": column(encoded, "label", rows)}, len(rows)

    def loss_sum(self, output: Any, targets: Mapping[str, Tensor]) -> Tensor:
        return label_loss_sum(output.logits, targets["labels"])

    def answers(
        self,
        head: Any,
        task: Task,
        encoded: Mapping[str, Encoded],
        splits: Mapping[str, Any],
        how: Reading,
        token_budget: int,
    ) -> dict[str, list]:
        """Label names."""
        names, allowed = allowed_labels(head, task)

        def answer(rows_of_all: Encoded) -> list[str]:
            best = np.zeros(len(rows_of_all), np.int64)
            for rows, output in outputs(head, task, rows_of_all, how, token_budget):
                logits = output.logits.float().masked_fill(~allowed.to(output.logits.device), float("-inf"))
                best[rows] = logits.argmax(-1).cpu().numpy()
            return [names[i] for i in best]

        return in_one_stream(encoded, answer)

    def dev_score(self, task: Task, predictions: Sequence, references: Sequence) -> float:
        return accuracy(predictions, references)

    def is_collapsed(self, task: Task, predictions: Sequence, references: Sequence) -> bool:
        return is_chance(predictions, references)

    def probabilities(
        self, head: Any, task: Task, encoded: Encoded, how: Reading, token_budget: int
    ) -> np.ndarray:
        _, allowed = allowed_labels(head, task)
        shares = np.zeros((len(encoded), int(allowed.sum())))
        for rows, output in outputs(head, task, encoded, how, token_budget):
            logits = output.logits.float()[:, allowed.to(output.logits.device)]
            shares[rows] = logits.softmax(-1).cpu().numpy()
        return shares

    def signal(self, head: Any, task: Task, encoded: Encoded, how: Reading, token_budget: int) -> float:
        return information(self.probabilities(head, task, encoded, how, token_budget))

    def units(
        self, states: Tensor, mask: Tensor, encoded: Encoded, rows: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Each text or pair."""
        return pooled(states, mask, "mean").cpu().numpy(), np.asarray(encoded.columns["label"])[rows]


KIND = Classification()
