"""Makes the tensors of a training step: a pure function of the step.

A batch is a mapping with ``task`` (its name; None: the language model), ``inputs`` (what the model reads),
``targets`` (what the loss needs), ``count`` (targets in the batch, the loss's denominator), ``tokens`` (real
tokens, for the counters) and ``whole`` (whether it may not be computed in parts).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mlflow_xfer.data.encoded import IGNORED, Encoded
from mlflow_xfer.data.mixing import EpochBatches, Schedule
from mlflow_xfer.data.packing import Masking, Packer, masked, shifted
from mlflow_xfer.kinds import kind
from mlflow_xfer.models import limits
from mlflow_xfer.models.attention import Packing
from mlflow_xfer.models.limits import Segments

Numbers = Sequence[int] | np.ndarray


@dataclass(frozen=True)
class Reading:
    """How a model wants its inputs.

    Attributes:
        pad_id: what fills rows up.
        first_position: the id of a text's first position (XLM-R and RoBERTa begin after the pad id).
        segments: the segment ids (token type ids) that the model reads; None: it reads none.
        decoder: whether it reads from left to right.
        cuda: whether it runs on a GPU: rows are padded to a multiple of 8 tokens,
            which suits its matrix units.
        vocabulary: how many tokens have an embedding; 0: not known.
        packing: what it is given of packed rows.
    """

    pad_id: int
    first_position: int = 0
    segments: Segments | None = None
    decoder: bool = False
    cuda: bool = False
    vocabulary: int = 0
    packing: Packing = "mask"


def reading(tokenizer: Any, config: Any, decoder: bool, cuda: bool = False) -> Reading:
    return Reading(
        pad_id=limits.pad_id(config, tokenizer),
        first_position=limits.first_position(config.to_dict()),
        segments=limits.segments(config, tokenizer),
        decoder=decoder,
        cuda=cuda,
        vocabulary=config.vocab_size,
    )


def padded(encoded: Encoded, rows: Numbers, how: Reading) -> dict[str, Tensor]:
    """``input_ids`` and ``attention_mask`` [rows, tokens] (and ``token_type_ids``), padded on the right."""
    second = encoded.columns.get("second")
    begins = [len(encoded.row(r)) for r in rows] if second is None else second[np.asarray(rows)]
    return stacked([encoded.row(r) for r in rows], begins, how)


def stacked(texts: Sequence[np.ndarray], second: Numbers, how: Reading) -> dict[str, Tensor]:
    """As :func:`padded`, from the tokens of each row and where its second text begins.

    A text of no tokens is read as one pad token, so that no row is empty.
    """
    width = width_of(max(1, *map(len, texts)), how)
    ids = np.full((len(texts), width), how.pad_id, np.int64)
    mask = np.zeros((len(texts), width), np.int64)
    mask[:, 0] = 1
    for i, row in enumerate(texts):
        ids[i, : len(row)], mask[i, : len(row)] = row, 1
    if how.vocabulary:
        limits.check_ids(ids, how.vocabulary)
    inputs = {"input_ids": torch.from_numpy(ids), "attention_mask": torch.from_numpy(mask)}
    if how.segments is not None:
        types = np.zeros((len(texts), width), np.int64)
        for i, (row, begin) in enumerate(zip(texts, second, strict=True)):
            types[i, : len(row)] = how.segments.of(len(row), int(begin))
        inputs["token_type_ids"] = torch.from_numpy(types)
    return inputs


def width_of(longest: int, how: Reading) -> int:
    return -(-longest // 8) * 8 if how.cuda else longest


def per_token(encoded: Encoded, name: str, rows: Numbers, width: int, fill: int) -> Tensor:
    """A ``token_`` column of ``rows`` as [rows, width]."""
    values = np.full((len(rows), width), fill, np.int64)
    for i, r in enumerate(rows):
        row = encoded.token_column(name, r)
        values[i, : len(row)] = row
    return torch.from_numpy(values)


def budgeted(lengths: np.ndarray, token_budget: int) -> Iterator[np.ndarray]:
    """Rows in batches of at most ``token_budget`` tokens (a longer row alone), longest first:
    memory fails at once or never."""
    order = np.argsort(-np.asarray(lengths), kind="stable")
    begin = 0
    while begin < len(order):
        size = max(1, token_budget // max(int(lengths[order[begin]]), 1))
        yield order[begin : begin + size]
        begin += size


def column(encoded: Encoded, name: str, rows: Numbers) -> Tensor:
    """A column of ``rows``."""
    return torch.from_numpy(np.asarray(encoded.columns[name])[np.asarray(rows)])


def task_batch(
    name: str, kind_name: str, encoded: Encoded, rows: Sequence[int], how: Reading
) -> dict[str, Any]:
    """One batch of a task with its targets."""
    model = kind.model(kind_name)
    inputs = model.inputs(encoded, rows, how)
    targets, count = model.targets(encoded, rows, inputs)
    tokens = int(np.asarray(encoded.lengths)[np.asarray(rows)].sum())
    return {
        "task": name,
        "inputs": inputs,
        "targets": targets,
        "count": count,
        "tokens": tokens,
        "whole": not model.parted,
    }


def lm_batch(
    packer: Packer, numbers: range, how: Reading, masking: Masking | None, seed: int, step: int
) -> dict[str, Any]:
    """A batch of packed texts: masked (encoders) or shifted (decoders), with the
    block-diagonal attention mask."""
    arrays = packer.batch(numbers)
    if how.packing == "rows":
        arrays = apart(arrays)
    width = width_of(arrays["tokens"].shape[1], how)
    arrays = {name: np.pad(a, ((0, 0), (0, width - a.shape[1]))) for name, a in arrays.items()}
    return packed_batch(arrays, how, masking, seed, step)


def apart(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Packed rows as rows of one document each, in their order."""
    row, column = np.nonzero(arrays["document"])
    numbers = arrays["document"][row, column]
    _, at = np.unique(row * (int(numbers.max()) + 1) + numbers, return_inverse=True)
    offset = arrays["offset"][row, column]
    columns = {}
    for name, values in arrays.items():
        columns[name] = np.zeros((int(at.max()) + 1, int(offset.max()) + 1), values.dtype)
        columns[name][at, offset] = values[row, column]
    columns["document"] = np.minimum(columns["document"], 1)
    return columns


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
    if how.vocabulary:
        limits.check_ids(ids, how.vocabulary)
    inputs = {"input_ids": torch.from_numpy(ids)}
    if how.packing != "rows" or (arrays["position"] != arrays["offset"]).any():
        inputs["position_ids"] = torch.from_numpy(
            np.where(real, arrays["position"] + how.first_position, how.first_position)
        )
    if how.packing == "rows":
        inputs["attention_mask"] = torch.from_numpy(real.astype(np.int64))
    else:
        inputs["document"] = torch.from_numpy(arrays["document"].astype(np.int32))
    targets = {
        "positions": torch.from_numpy(positions),
        "labels": torch.from_numpy(labels.reshape(-1)[positions]),
    }
    return {
        "task": None,
        "inputs": inputs,
        "targets": targets,
        "count": max(1, len(positions)),
        "tokens": int(real.sum()),
        "whole": False,
    }


@dataclass(frozen=True)
class TaskRows:
    """A task's training rows, and the order in which they come."""

    name: str
    kind: str
    encoded: Encoded
    epochs: EpochBatches


@dataclass
class TrainingBatches(torch.utils.data.Dataset):
    """The batches of a whole training: item t is the batch of step t.

    Attributes:
        tasks: by their keys in ``schedule``.
        packer: the raw texts of the language model, if there is one.
    """

    schedule: Schedule
    tasks: Mapping[str, TaskRows]
    packer: Packer | None
    masking: Masking | None
    how: Reading
    batch: int
    seed: int

    def __len__(self) -> int:
        return len(self.schedule)

    def __getitem__(self, step: int) -> dict[str, Any]:
        key, turn = self.schedule.at(step)
        if key in self.tasks:
            task = self.tasks[key]
            return task_batch(task.name, task.kind, task.encoded, task.epochs.rows(turn).tolist(), self.how)
        assert self.packer is not None, "what is no task is the language model"
        numbers = range(turn * self.batch, (turn + 1) * self.batch)
        return lm_batch(self.packer, numbers, self.how, self.masking, self.seed, step)
