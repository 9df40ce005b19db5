"""Rows of the embedding that no training text holds: they get no gradient and no optimiser state.

A step of AdamW changes such a row in one way alone: weight decay multiplies it by 1 − rate · λ. Here these
factors are kept, and multiplied into the rows before anybody looks at them: in float32 and in their order, so
that the weights are to the bit those of a training of the whole embedding. (Their product, taken first, would
be off by 1e-6 after some hundred steps.) Of a large vocabulary a task holds a tenth: the rest would cost a
gradient, two moments and a pass over all of them in every step.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mlflow_xfer.models.heads import MultiTaskModel
from mlflow_xfer.training.batches import TrainingBatches

WIDTH = 16
"""Sums of squares are taken in so many lanes: rows of a multiple of it may be left out of one unseen."""

AT_ONCE = 1 << 14  # weights that stay in a core's cache while all factors are multiplied into them
WORTH = 0.75  # share of the rows, at most: with more, the second copy of them takes what is saved


def why_whole(model: MultiTaskModel, rows: np.ndarray, optimizer: str = "adamw") -> str:
    """Why all of the embedding has to be trained, where a training reads ``rows`` of it; "" if it has not."""
    embedding = model.backbone.get_input_embeddings()
    if optimizer != "adamw":
        return f"optimizer={optimizer} decays weights in a way of its own"
    if model.trains_lm:
        return "a language model is trained, whose loss reaches every row"
    if not isinstance(embedding, nn.Embedding):
        return f"{type(embedding).__name__} is no plain embedding"
    if not embedding.weight.requires_grad:
        return "it is not trained at all"
    if embedding.max_norm is not None:
        return "its rows are scaled when they are read (max_norm)"
    if embedding.weight.shape[1] % WIDTH:
        return f"its rows are no multiple of {WIDTH} wide"
    if any(
        parameter is embedding.weight and module is not embedding
        for part in (model.backbone, *model.heads.children())
        for module in part.modules()
        for parameter in module.parameters(recurse=False)
    ):
        return "a head is tied to it"
    if len(rows) > WORTH * len(embedding.weight):
        return "most of its rows are read"
    return ""


def rows_read(data: TrainingBatches, tokenizer: Any, size: int) -> np.ndarray:
    """The rows of an embedding of ``size`` rows that batches of ``data`` may hold, in ascending order."""
    seen = np.zeros(
        size + 1, bool
    )  # tokens without a row, which no batch is made of, are counted as the last
    seen[np.minimum([data.how.pad_id, *tokenizer.all_special_ids], size)] = True
    for task in data.tasks.values():
        seen[np.minimum(task.encoded.tokens, size)] = True
    return np.flatnonzero(seen[:size])


def digest(rows: np.ndarray) -> str:
    """What a resume state says of the rows: it fits no others."""
    return hashlib.sha256(rows.tobytes()).hexdigest()


class ReadRows:
    """The embedding of ``model`` in a training that reads ``rows`` of it, in ascending order.

    Within :meth:`trained` the model has a small embedding of these rows, by which texts are read as before;
    within :meth:`whole`, and after the training, it has all of them again.
    """

    def __init__(self, model: MultiTaskModel, rows: np.ndarray):
        self.embedding = model.backbone.get_input_embeddings()
        self.all = self.embedding.weight
        self.rows = torch.from_numpy(rows).to(self.all.device)
        self.place = torch.full((len(self.all),), -1, device=self.all.device)
        self.place[self.rows] = torch.arange(len(rows), device=self.all.device)
        self.read = nn.Parameter(self.all.detach()[self.rows])
        self.padding = self.embedding.padding_idx
        self.decays: list[tuple[float, Tensor | None]] = []
        self.is_whole = True

    def follow(self, optimizer: torch.optim.Optimizer) -> None:
        """Keep the decay of each step that ``optimizer`` takes."""

        def keep(optimizer: Any, *arguments: Any) -> None:
            group = next(g for g in optimizer.param_groups if any(p is self.read for p in g["params"]))
            if decay := group["lr"] * group["weight_decay"]:
                self.decays.append((decay, getattr(optimizer, "found_inf", None)))

        optimizer.register_step_post_hook(keep)

    @contextmanager
    def trained(self) -> Iterator[None]:
        hook = self.embedding.register_forward_pre_hook(
            lambda module, given: given if self.is_whole else (self.place[given[0]], *given[1:])
        )
        self._narrow()
        try:
            yield
        finally:
            self._widen()
            hook.remove()

    @contextmanager
    def whole(self) -> Iterator[None]:
        """Within, the model's embedding has all its rows, as the steps so far left them; written into, they
        are what the training goes on from."""
        if self.is_whole:
            yield
            return
        self._widen()
        try:
            yield
        finally:
            self._narrow()

    @torch.no_grad()
    def _narrow(self) -> None:
        self.read.copy_(self.all[self.rows])
        self.embedding.weight, self.is_whole = self.read, False
        self.all.requires_grad_(False)
        if self.padding is not None:
            at = int(self.place[self.padding])
            self.embedding.padding_idx = at if at >= 0 else None

    @torch.no_grad()
    def _widen(self) -> None:
        taken = [decay for decay, skipped in self.decays if skipped is None or not skipped.item()]
        self.decays.clear()
        for some in self.all.split(max(1, AT_ONCE // self.all.shape[1])) if taken else ():
            for decay in taken:
                _decay(some, decay)
        self.all[self.rows] = self.read
        self.embedding.weight, self.is_whole = self.all, True
        self.all.requires_grad_(True)
        self.embedding.padding_idx = self.padding


def _decay(weights: Tensor, decay: float) -> None:
    """As torch's fused AdamW does it; on a GPU it computes in float64 and rounds once."""
    if weights.is_cuda:
        weights.copy_(weights.double() - decay * weights.double())
    else:
        weights.mul_(1 - decay)
