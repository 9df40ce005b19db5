"""Makes the tensors of a training step: a pure function of the step.

A batch is a mapping with ``task``, ``inputs`` (what the model reads), ``targets`` (what the loss needs), ``count``
(targets in the batch, the loss's denominator) and ``tokens`` (real tokens, for the counters).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mlflow_xfer.data.encode import IGNORED, Encoded
from mlflow_xfer.data.mixing import Schedule, Walk
from mlflow_xfer.data.packing import Masking, Packer, masked, shifted
from mlflow_xfer.tasks.task import TaskKind


@dataclass(frozen=True)
class Reading:
    """How a model wants its inputs.

    Attributes:
        pad_id: of the tokenizer.
        first_position: the id of a text's first position (XLM-R and RoBERTa begin after the pad id).
        token_types: whether the model tells a pair's texts apart by token type ids.
        decoder: whether it reads from left to right.
        multiple: rows are padded to a multiple of this many tokens (8 suits a GPU's matrix units).
    """

    pad_id: int
    first_position: int = 0
    token_types: bool = False
    decoder: bool = False
    multiple: int = 1


def reading(tokenizer: Any, config: Any, decoder: bool, cuda: bool = False) -> Reading:
    roberta = hasattr(config, "type_vocab_size") and "roberta" in config.model_type
    return Reading(
        pad_id=tokenizer.pad_token_id,
        first_position=config.pad_token_id + 1 if roberta else 0,
        token_types=(getattr(config, "type_vocab_size", 0) or 0) > 1,
        decoder=decoder,
        multiple=8 if cuda else 1,
    )


def padded(encoded: Encoded, rows: Sequence[int], how: Reading) -> dict[str, Tensor]:
    """``input_ids`` and ``attention_mask`` [rows, tokens] (and ``token_type_ids``), padded on the right."""
    width = _width(max(int(encoded.starts[r + 1] - encoded.starts[r]) for r in rows), how)
    ids = np.full((len(rows), width), how.pad_id, np.int64)
    mask = np.zeros((len(rows), width), np.int64)
    for i, r in enumerate(rows):
        row = encoded.row(r)
        ids[i, : len(row)], mask[i, : len(row)] = row, 1
    inputs = {"input_ids": torch.from_numpy(ids), "attention_mask": torch.from_numpy(mask)}
    if how.token_types:
        second = encoded.columns.get("second")
        begins = np.full(len(rows), width) if second is None else second[np.asarray(rows)]
        types = (np.arange(width)[None, :] >= begins[:, None]) & (mask > 0)
        inputs["token_type_ids"] = torch.from_numpy(types.astype(np.int64))
    return inputs


def _width(longest: int, how: Reading) -> int:
    return -(-longest // how.multiple) * how.multiple


def per_token(encoded: Encoded, name: str, rows: Sequence[int], width: int, fill: int) -> Tensor:
    """A ``token_`` column of ``rows`` as [rows, width]."""
    values = np.full((len(rows), width), fill, np.int64)
    for i, r in enumerate(rows):
        row = encoded.token_column(name, r)
        values[i, : len(row)] = row
    return torch.from_numpy(values)


def task_batch(name: str, kind: TaskKind, encoded: Encoded, rows: Sequence[int], how: Reading) -> dict[str, Any]:
    """One batch of a task with its targets."""
    inputs = padded(encoded, rows, how)
    tokens = int(inputs["attention_mask"].sum())
    if kind == TaskKind.TAGGING:
        labels = per_token(encoded, "token_label", rows, inputs["input_ids"].shape[1], IGNORED)
        targets = {"labels": labels}
        count = max(1, int((labels != IGNORED).sum()))
    else:
        targets = {"labels": torch.from_numpy(np.asarray(encoded.columns["label"])[np.asarray(rows)])}
        count = len(rows)
    return {"task": name, "inputs": inputs, "targets": targets, "count": count, "tokens": tokens}


def lm_batch(
    packer: Packer, numbers: range, how: Reading, masking: Masking | None, seed: int, step: int
) -> dict[str, Any]:
    """A batch of packed texts: masked (encoders) or shifted (decoders), with the block-diagonal attention mask."""
    arrays = packer.batch(numbers)
    width = _width(arrays["tokens"].shape[1], how)
    arrays = {name: np.pad(a, ((0, 0), (0, width - a.shape[1]))) for name, a in arrays.items()}
    return packed_batch(arrays, how, masking, seed, step)


def packed_batch(
    arrays: Mapping[str, np.ndarray], how: Reading, masking: Masking | None, seed: int, step: int
) -> dict[str, Any]:
    real = arrays["document"] > 0
    tokens = np.where(real, arrays["tokens"], how.pad_id)
    if masking is None:
        ids, labels = tokens, shifted(tokens, arrays["document"])
    else:
        ids, labels = masked(tokens, arrays["example"], arrays["offset"], real, masking, seed, step)
    positions = np.flatnonzero(labels.reshape(-1) != IGNORED)
    inputs = {
        "input_ids": torch.from_numpy(ids),
        "position_ids": torch.from_numpy(np.where(real, arrays["position"] + how.first_position, how.first_position)),
        "document": torch.from_numpy(arrays["document"].astype(np.int32)),
    }
    targets = {"positions": torch.from_numpy(positions), "labels": torch.from_numpy(labels.reshape(-1)[positions])}
    return {
        "task": "lm",
        "inputs": inputs,
        "targets": targets,
        "count": max(1, len(positions)),
        "tokens": int(real.sum()),
    }


def with_attention(inputs: Mapping[str, Tensor], decoder: bool) -> dict[str, Tensor]:
    """``document`` numbers [rows, tokens] become the mask [rows, 1, tokens, tokens]: within a document only.

    Made on the device, where it costs nothing to move. Padding attends to padding, so that no row is empty (a softmax
    over nothing is not a number).
    """
    inputs = dict(inputs)
    document = inputs.pop("document", None)
    if document is not None:
        mask = document[:, None, :, None] == document[:, None, None, :]
        if decoder:
            mask = mask & torch.ones(mask.shape[-2:], dtype=torch.bool, device=mask.device).tril()
        inputs["attention_mask"] = mask
    return inputs


@dataclass
class Steps(torch.utils.data.Dataset):
    """The batches of a whole training: item t is the batch of step t."""

    schedule: Schedule
    walks: Mapping[str, Walk]
    encoded: Mapping[str, Encoded]
    kinds: Mapping[str, TaskKind]
    packer: Packer | None
    masking: Masking | None
    how: Reading
    batch: int
    seed: int

    def __len__(self) -> int:
        return len(self.schedule)

    def __getitem__(self, step: int) -> dict[str, Any]:
        name, turn = self.schedule.at(step)
        if name == "lm":
            numbers = range(turn * self.batch, (turn + 1) * self.batch)
            return lm_batch(self.packer, numbers, self.how, self.masking, self.seed, step)
        return task_batch(name, self.kinds[name], self.encoded[name], self.walks[name].rows(turn), self.how)
