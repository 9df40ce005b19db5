"""Multiple choice: a score for each choice, from a head or from the likelihood that a
language model gives it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mlflow_xfer.data.encoded import IGNORED, Encoded
from mlflow_xfer.data.mixing import key_of
from mlflow_xfer.models.embed import pooled
from mlflow_xfer.models.heads import OwnHead, initialise, label_loss_sum, stream
from mlflow_xfer.models.likelihood import LikelihoodChoice
from mlflow_xfer.models.limits import is_decoder
from mlflow_xfer.models.standard import Standard
from mlflow_xfer.tasks.task import Task
from mlflow_xfer.training.batches import Reading, column, stacked
from mlflow_xfer.training.label_free import information
from mlflow_xfer.training.predict import in_one_stream, outputs
from mlflow_xfer.training.selection import accuracy, is_chance

LIKELIHOOD = "likelihood"
"""The way of scoring choices that needs no head: by the language model."""


class ChoiceHead(OwnHead):
    """Multiple choice where transformers has no class: one scalar per choice from its last token."""

    base_model_prefix = "model"

    def __init__(self, config: Any, backbone: nn.Module):
        super().__init__()
        self.config, self.model = config, backbone
        self.decoder = is_decoder(backbone.config)
        self.score = nn.utils.skip_init(nn.Linear, config.hidden_size, 1)

    def forward(self, input_ids: Tensor, attention_mask: Tensor, **inputs: Tensor) -> Any:
        """``input_ids`` [batch, choices, tokens] -> ``.logits`` [batch, choices]."""
        from transformers.modeling_outputs import MultipleChoiceModelOutput

        flat, mask = input_ids.flatten(0, 1), attention_mask.flatten(0, 1)
        more = {name: tensor.flatten(0, 1) for name, tensor in inputs.items()}
        cache = {"use_cache": False} if self.decoder else {}
        hidden = self.model(input_ids=flat, attention_mask=mask, **more, **cache).last_hidden_state
        last = mask.sum(1).clamp(min=1) - 1
        scores = self.score(hidden[torch.arange(len(last), device=last.device), last])
        return MultipleChoiceModelOutput(logits=scores.view(input_ids.shape[:2]))


class MultipleChoice(Standard):
    name = "multiple_choice"
    auto = "AutoModelForMultipleChoice"
    architectures = "MODEL_FOR_MULTIPLE_CHOICE_MAPPING_NAMES"

    def head(self, task: Task, backbone: nn.Module, seed: int, lm: nn.Module | None = None) -> nn.Module:
        config = self.head_config(task, backbone.config)
        if task.option("choice_scoring") == LIKELIHOOD:
            return LikelihoodChoice(config, backbone, lm)
        if self.head_class(config) is not ChoiceHead:
            return super().head(task, backbone, seed, lm)
        head = ChoiceHead(config, backbone)
        initialise(head.score, stream(seed, key_of(task.name)))
        return head

    def head_class(self, config: Any) -> Any:
        from transformers.models.auto import modeling_auto

        known = config.model_type in getattr(modeling_auto, self.architectures)
        return super().head_class(config) if known else ChoiceHead

    def inputs(self, encoded: Encoded, rows: Sequence[int], how: Reading) -> dict[str, Tensor]:
        return choices(encoded, rows, how)

    def targets(
        self, encoded: Encoded, rows: Sequence[int], inputs: Mapping[str, Tensor]
    ) -> tuple[dict[str, Tensor], int]:
        found = {"labels": column(encoded, "label", rows), "choices": column(encoded, "choices", rows)}
        return found, len(rows)

    def loss_sum(self, output: Any, targets: Mapping[str, Tensor]) -> Tensor:
        return label_loss_sum(without_missing(output.logits, targets["choices"]), targets["labels"])

    def answers(
        self,
        head: Any,
        task: Task,
        encoded: Mapping[str, Encoded],
        splits: Mapping[str, Any],
        how: Reading,
        token_budget: int,
    ) -> dict[str, list]:
        """Numbers of choices."""

        def answer(together: Encoded) -> list[int]:
            best = np.zeros(len(together), np.int64)
            for rows, output in outputs(head, task, together, how, token_budget):
                available = column(together, "choices", rows).to(output.logits.device)
                best[rows] = without_missing(output.logits.float(), available).argmax(-1).cpu().numpy()
            return best.tolist()

        return in_one_stream(encoded, answer)

    def dev_score(self, task: Task, predictions: Sequence, references: Sequence) -> float:
        return accuracy(predictions, references)

    def is_collapsed(self, task: Task, predictions: Sequence, references: Sequence) -> bool:
        return is_chance(predictions, references)

    def probabilities(
        self, head: Any, task: Task, encoded: Encoded, how: Reading, token_budget: int
    ) -> np.ndarray:
        """Of an example's choices; one that it does not have is never the answer."""
        shares = np.zeros((len(encoded), int(np.asarray(encoded.columns["choices"]).max())))
        for rows, output in outputs(head, task, encoded, how, token_budget):
            available = column(encoded, "choices", rows).to(output.logits.device)
            sure = without_missing(output.logits.float(), available).softmax(-1).cpu().numpy()
            shares[rows, : sure.shape[1]] = sure[:, : shares.shape[1]]
        return shares

    def signal(self, head: Any, task: Task, encoded: Encoded, how: Reading, token_budget: int) -> float:
        return information(self.probabilities(head, task, encoded, how, token_budget))

    def are_texts(self, encoded: Encoded, rows: np.ndarray, n: int) -> np.ndarray:
        """A choice that an example lacks is none."""
        width = n // len(rows)
        counts = np.asarray(encoded.columns["choices"])[rows]
        return (np.arange(width)[None, :] < counts[:, None]).reshape(-1)

    def units(
        self, states: Tensor, mask: Tensor, encoded: Encoded, rows: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Right or wrong, each choice less the mean of its example's: what they share cannot choose
        between them."""
        real = self.are_texts(encoded, rows, len(states))
        vectors = pooled(states, mask, "mean").cpu().numpy()[real]
        counts, right = (np.asarray(encoded.columns[name])[rows] for name in ("choices", "label"))
        begins = np.concatenate([[0], np.cumsum(counts)[:-1]])
        means = np.add.reduceat(vectors, begins, axis=0) / counts[:, None].astype(np.float32)
        number = np.arange(len(vectors)) - np.repeat(begins, counts)
        labels = np.where(np.repeat(right, counts) == IGNORED, IGNORED, number == np.repeat(right, counts))
        return vectors - np.repeat(means, counts, axis=0), labels


def choices(encoded: Encoded, rows: Sequence[int], how: Reading) -> dict[str, Tensor]:
    """``input_ids`` and ``attention_mask`` (and ``scored``, ``token_type_ids``) [rows, choices, tokens] of
    multiple choice.

    A choice that an example does not have is one token long, so that no row is empty; its
    score counts for nothing.
    """
    found = _by_choice(encoded, rows, encoded.row)
    likely = "token_scored" in encoded.columns
    width = max(map(len, found))
    none = np.zeros(0, np.int64)
    marks = _by_choice(
        encoded, rows, lambda r: encoded.token_column("token_scored" if likely else "token_second", r)
    )
    flat, flat_marks = (
        [option for options in side for option in (options + [none] * (width - len(options)))]
        for side in (found, marks)
    )
    second = [len(mark) if likely else len(mark) - int(mark.sum()) for mark in flat_marks]
    inputs = stacked(flat, second, how)
    if likely:
        inputs.pop("token_type_ids", None)
        scored = np.zeros(inputs["input_ids"].shape, np.int64)
        for i, mark in enumerate(flat_marks):
            scored[i, : len(mark)] = mark
        inputs["scored"] = torch.from_numpy(scored)
    return {name: tensor.unflatten(0, (len(rows), width)) for name, tensor in inputs.items()}


def _by_choice(
    encoded: Encoded, rows: Sequence[int], column: Callable[[int], np.ndarray]
) -> list[list[np.ndarray]]:
    """The tokens (or what ``column`` says of them) of each choice of each row."""
    owners = {r: encoded.token_column("token_choice", r) for r in rows}
    return [[column(r)[owners[r] == n] for n in range(int(encoded.columns["choices"][r]))] for r in rows]


def without_missing(logits: Tensor, choices: Tensor) -> Tensor:
    """Logits [batch, choices] with those beyond an example's number of choices ruled out."""
    return logits.masked_fill(
        torch.arange(logits.shape[1], device=logits.device) >= choices[:, None], float("-inf")
    )


KIND = MultipleChoice()
