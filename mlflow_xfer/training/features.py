"""What a frozen backbone makes of a task's rows: vectors with labels, for scores that need no training.

Every kind reduces to the same shape. What stands for an example is what its head would read: a text or pair,
each word of a sentence, each choice, each token of an answer and as many others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from mlflow_xfer.data.encode import encode
from mlflow_xfer.data.encoded import IGNORED, Encoded
from mlflow_xfer.errors import XferError
from mlflow_xfer.kinds import kind
from mlflow_xfer.models import limits
from mlflow_xfer.models.embed import pooled
from mlflow_xfer.models.heads import run
from mlflow_xfer.models.limits import is_decoder
from mlflow_xfer.models.load import load_backbone, load_tokenizer
from mlflow_xfer.tasks.task import Task
from mlflow_xfer.training.batches import Reading, budgeted, reading
from mlflow_xfer.training.devices import autocast, pick, to_device
from mlflow_xfer.training.predict import TOKEN_BUDGET
from mlflow_xfer.training.progress import tracked


@dataclass(frozen=True)
class Features:
    """One task's rows as a model sees them.

    Attributes:
        vectors: float32 [units, hidden], the mean over the model's layers (Garbas et al. 2024: it foretells
            transfer better than any one of them); units are texts, words, choices or tokens.
        labels: [units] class of each.
        text: float32 [hidden], TextEmb (Vu et al. 2020): the last layer, mean over the
            tokens of a text, then over texts.
        examples: how many were read.
    """

    vectors: np.ndarray
    labels: np.ndarray
    text: np.ndarray
    examples: int


def features(
    model_dir: Path | str,
    splits: Sequence[tuple[Task, Any]],
    *,
    max_seq_length: Mapping[str, int] | int = 128,
    token_budget: int = TOKEN_BUDGET,
    device: str = "auto",
    precision: str = "auto",
) -> dict[str, Features]:
    """Features of each task's rows from the backbone at ``model_dir``, by the task's name;
    the model is loaded once.

    Args:
        splits: tasks, each with a labelled ``datasets.Dataset`` in the canonical columns of its kind.
        max_seq_length: in subwords; one for all, or by task name; at most what the model reads.

    Raises:
        XferError: for a kind without labels, and labels that are not the task's.
    """
    where = pick(device)
    tokenizer, backbone = load_tokenizer(model_dir), cast("Any", load_backbone(model_dir))
    model = backbone.to(where).eval()
    limits.check_vocabulary(model.config, tokenizer)
    most = limits.longest(model.config.to_dict())
    how = reading(tokenizer, model.config, is_decoder(model.config), where.type == "cuda")
    vectors = {}
    for task, split in splits:
        if not kind.model(task.kind).has("units"):
            raise XferError(
                f"Task {task.name!r} ({task.kind}) has no labels to foretell.",
                f"Kinds with labels: {', '.join(foretold())}",
            )
        limit = max_seq_length if isinstance(max_seq_length, int) else max_seq_length[task.name]
        limit = min(limit, most or limit)
        encoded = encode(split, task, tokenizer, limit, decoder=how.decoder)
        with autocast(where, precision):
            vectors[task.name] = _read(model, task, encoded, how, token_budget)
    return vectors


def foretold() -> list[str]:
    """The kinds whose tasks have features."""
    return [name for name in kind.KINDS.names() if kind.model(name).has("units")]


@torch.inference_mode()
def _read(model: Any, task: Task, encoded: Encoded, how: Reading, token_budget: int) -> Features:
    where, made = next(model.parameters()).device, kind.model(task.kind)
    vectors: list[tuple[np.ndarray, np.ndarray]] = []
    text, texts = torch.zeros(model.config.hidden_size, dtype=torch.float64), 0
    batches = list(budgeted(encoded.lengths, token_budget))
    for rows in tracked(batches, len(batches), task.name):
        batch = to_device(made.inputs(encoded, rows.tolist(), how), where)
        flat = {name: tensor.flatten(0, 1) if tensor.dim() == 3 else tensor for name, tensor in batch.items()}
        states = run_backbone(model, flat, how.decoder)
        mask = flat["attention_mask"]
        last = pooled(states[-1].float(), mask, "mean").cpu()
        real = made.are_texts(encoded, rows, len(last))
        last = last if real is None else last[real]
        text, texts = text + last.double().sum(0), texts + len(last)
        layers = sum(state.float() for state in states[1:]) / (len(states) - 1)  # embeddings are no layer
        vectors.append(made.units(layers, mask, encoded, rows))
    values, labels = (np.concatenate(side) for side in zip(*vectors, strict=True))
    kept = labels != IGNORED
    return Features(
        values[kept], labels[kept], (text / max(texts, 1)).float().numpy(), int(encoded.counts["examples"])
    )


def run_backbone(model: Any, inputs: Mapping[str, Tensor], decoder: bool) -> tuple[Tensor, ...]:
    """``hidden_states``: the embeddings, then each layer, [rows, tokens, hidden]."""
    return run(model, {**inputs, "output_hidden_states": True}, decoder).hidden_states
