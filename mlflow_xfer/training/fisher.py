"""TaskEmb (Vu et al. 2020, 2005.00770): what a task asks of a model, as the
diagonal of its empirical Fisher matrix.

Two tasks that pull at the same weights and units have a high cosine, component by component.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mlflow_xfer.data.encode import encode
from mlflow_xfer.errors import XferError
from mlflow_xfer.kinds import kind
from mlflow_xfer.models.checkpoint import load_task_model
from mlflow_xfer.models.heads import run
from mlflow_xfer.models.last_token import read_as_alone
from mlflow_xfer.models.limits import is_decoder
from mlflow_xfer.models.load import load_tokenizer
from mlflow_xfer.tasks.task import Task
from mlflow_xfer.training.batches import budgeted, reading, task_batch
from mlflow_xfer.training.devices import layers_of, pick, to_device

FISHER_TOKENS = 1024
"""Tokens of a batch, padding included. A weight's Fisher is the mean over batches of its squared gradient."""


def task_embedding(
    model_dir: Path | str,
    task: Task,
    split: Any,
    *,
    max_seq_length: int = 128,
    token_budget: int = FISHER_TOKENS,
    device: str = "auto",
) -> dict[str, np.ndarray]:
    """Mean squared gradient of the loss of ``split``, by component of the backbone, as flat float32 vectors.

    Components are each weight of each layer, and each layer's output (``layer<n>``: squared per
    text and token, then averaged). Word embeddings are left out: they say which words a task uses,
    and are most of a multilingual model.

    Args:
        model_dir: a checkpoint that was trained on ``task``, with its head.
        split: a labelled ``datasets.Dataset`` in the canonical columns of the task's kind.
    """
    where = pick(device)
    tokenizer, model = load_tokenizer(model_dir), load_task_model(model_dir, task).to(where).eval()
    read_as_alone(model)
    how = reading(tokenizer, model.config, is_decoder(model.config), where.type == "cuda")
    encoded = encode(split, task, tokenizer, max_seq_length, decoder=how.decoder)
    if not (layers := layers_of(model)):
        raise XferError(
            f"TaskEmb compares layers, and those of {model.config.model_type} share their weights.",
            "Use another score, such as TextEmb.",
        )
    weights = {
        f"layer{n}.{name}": weight
        for n, layer in enumerate(layers)
        for name, weight in layer.named_parameters()
    }
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    for weight in weights.values():
        weight.requires_grad_(True)
    sums: dict[str, Tensor] = {}
    batches, tokens = 0, 0
    for rows in budgeted(encoded.lengths, token_budget):
        batch = task_batch(task.name, task.kind, encoded, rows.tolist(), how)
        outputs: dict[str, Tensor] = {}
        hooks = [layer.register_forward_hook(_keeper(outputs, f"layer{n}")) for n, layer in enumerate(layers)]
        loss = kind.model(task.kind).loss_sum(
            run(model, to_device(batch["inputs"], where), how.decoder),
            to_device(batch["targets"], where),
        )
        for hook in hooks:
            hook.remove()
        sources = {**weights, **outputs}
        gradients = dict(
            zip(sources, torch.autograd.grad(loss, list(sources.values()), allow_unused=True), strict=True)
        )
        for name, gradient in gradients.items():
            if gradient is not None:
                # Of the summed loss: an output's gradient is its own text's, a weight's the sum over the
                # batch.
                square = (
                    gradient.flatten(0, -2).square().sum(0)
                    if name in outputs
                    else (gradient / batch["count"]).square().flatten()
                )
                sums[name] = sums.get(name, 0.0) + square
        batches, tokens = batches + 1, tokens + batch["tokens"]
    return {
        name: (total / (tokens if name in outputs else batches)).cpu().numpy() for name, total in sums.items()
    }


def _keeper(outputs: dict[str, Tensor], name: str) -> Any:
    def keep(module: nn.Module, inputs: Any, output: Any) -> None:
        outputs[name] = output[0] if isinstance(output, tuple) else output

    return keep


def similarities(source: Mapping[str, np.ndarray], target: Mapping[str, np.ndarray]) -> dict[str, float]:
    """Cosine of two task embeddings of the same model, by component."""
    from mlflow_xfer.stats.transferability import cosine

    return {name: cosine(vector, target[name]) for name, vector in source.items() if name in target}
