"""Makes the tensors of a training step: a pure function of the step.

A batch is a mapping with ``task``, ``inputs`` (what the model reads), ``targets`` (what the loss needs),
``count`` (targets in the batch, the loss's denominator) and ``tokens`` (real tokens, for the counters).
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mlflow_xfer.data.encoded import IGNORED, Encoded
from mlflow_xfer.data.mixing import Schedule, Walk
from mlflow_xfer.data.packing import Masking, Packer, masked, shifted
from mlflow_xfer.models.dual import TARGET
from mlflow_xfer.tasks.task import TaskKind

NAMES = {"label": "labels"}  # of columns, as targets
COLUMNS = {
    TaskKind.MULTIPLE_CHOICE: ("label", "choices"),
    TaskKind.SPAN_QA: ("start", "end"),
    TaskKind.RETRIEVAL: ("query", "positive"),
}


@dataclass(frozen=True)
class Reading:
    """How a model wants its inputs.

    Attributes:
        pad_id: of the tokenizer.
        first_position: the id of a text's first position (XLM-R and RoBERTa begin after the pad id).
        token_types: whether the model tells a pair's texts apart by token type ids.
        decoder: whether it reads from left to right.
        cuda: whether it runs on a GPU: rows are padded to a multiple of 8 tokens,
            which suits its matrix units.
    """

    pad_id: int
    first_position: int = 0
    token_types: bool = False
    decoder: bool = False
    cuda: bool = False


def reading(tokenizer: Any, config: Any, decoder: bool, cuda: bool = False) -> Reading:
    roberta = hasattr(config, "type_vocab_size") and "roberta" in config.model_type
    return Reading(
        pad_id=tokenizer.pad_token_id,
        first_position=config.pad_token_id + 1 if roberta else 0,
        token_types=(getattr(config, "type_vocab_size", 0) or 0) > 1,
        decoder=decoder,
        cuda=cuda,
    )


def padded(encoded: Encoded, rows: Sequence[int], how: Reading) -> dict[str, Tensor]:
    """``input_ids`` and ``attention_mask`` [rows, tokens] (and ``token_type_ids``), padded on the right."""
    second = encoded.columns.get("second")
    begins = [len(encoded.row(r)) for r in rows] if second is None else second[np.asarray(rows)]
    return _stacked([encoded.row(r) for r in rows], begins, how)


def _stacked(texts: Sequence[np.ndarray], second: Sequence[int], how: Reading) -> dict[str, Tensor]:
    """As :func:`padded`, from the tokens of each row and where its second text begins."""
    width = _width(max(map(len, texts)), how)
    ids = np.full((len(texts), width), how.pad_id, np.int64)
    mask = np.zeros((len(texts), width), np.int64)
    for i, row in enumerate(texts):
        ids[i, : len(row)], mask[i, : len(row)] = row, 1
    inputs = {"input_ids": torch.from_numpy(ids), "attention_mask": torch.from_numpy(mask)}
    if how.token_types:
        types = (np.arange(width)[None, :] >= np.asarray(second)[:, None]) & (mask > 0)
        inputs["token_type_ids"] = torch.from_numpy(types.astype(np.int64))
    return inputs


def query_inputs(encoded: Encoded, rows: Sequence[int], how: Reading) -> dict[str, Tensor]:
    """What is read of the queries of retrieval ``rows``."""
    second = encoded.columns["second"]
    return _stacked([encoded.row(r)[: second[r]] for r in rows], second[np.asarray(rows)], how)


def candidate_inputs(encoded: Encoded, rows: Sequence[int], how: Reading) -> dict[str, Tensor]:
    """What is read of the candidates of retrieval ``rows``."""
    second = encoded.columns["second"]
    return _stacked(
        [encoded.row(r)[second[r] :] for r in rows], encoded.columns["inner"][np.asarray(rows)], how
    )


def _width(longest: int, how: Reading) -> int:
    return -(-longest // 8) * 8 if how.cuda else longest


def per_token(encoded: Encoded, name: str, rows: Sequence[int], width: int, fill: int) -> Tensor:
    """A ``token_`` column of ``rows`` as [rows, width]."""
    values = np.full((len(rows), width), fill, np.int64)
    for i, r in enumerate(rows):
        row = encoded.token_column(name, r)
        values[i, : len(row)] = row
    return torch.from_numpy(values)


def choices(encoded: Encoded, rows: Sequence[int], how: Reading) -> dict[str, Tensor]:
    """``input_ids`` and ``attention_mask`` (and ``scored``) [rows, choices, tokens] of multiple choice.

    A choice that an example does not have is one token long, so that no row is empty; its
    score counts for nothing.
    """
    found = _by_choice(encoded, rows, encoded.row)
    width = _width(max(len(ids) for options in found for ids in options), how)
    shape = (len(rows), max(len(options) for options in found), width)
    ids, mask = np.full(shape, how.pad_id, np.int64), np.zeros(shape, np.int64)
    mask[:, :, 0] = 1
    for i, options in enumerate(found):
        for n, option in enumerate(options):
            ids[i, n, : len(option)], mask[i, n, : len(option)] = option, 1
    inputs = {"input_ids": torch.from_numpy(ids), "attention_mask": torch.from_numpy(mask)}
    if "token_scored" not in encoded.columns:
        return inputs
    scored = np.zeros(shape, np.int64)
    for i, options in enumerate(_by_choice(encoded, rows, lambda r: encoded.token_column("token_scored", r))):
        for n, option in enumerate(options):
            scored[i, n, : len(option)] = option
    return inputs | {"scored": torch.from_numpy(scored)}


def _by_choice(
    encoded: Encoded, rows: Sequence[int], column: Callable[[int], np.ndarray]
) -> list[list[np.ndarray]]:
    """The tokens (or what ``column`` says of them) of each choice of each row."""
    owners = {r: encoded.token_column("token_choice", r) for r in rows}
    return [[column(r)[owners[r] == n] for n in range(int(encoded.columns["choices"][r]))] for r in rows]


def inputs_of(kind: TaskKind, encoded: Encoded, rows: Sequence[int], how: Reading) -> dict[str, Tensor]:
    """What a head of ``kind`` reads of ``rows``."""
    if kind == TaskKind.RETRIEVAL:
        target = candidate_inputs(encoded, rows, how)
        return query_inputs(encoded, rows, how) | {TARGET + name: tensor for name, tensor in target.items()}
    return choices(encoded, rows, how) if kind == TaskKind.MULTIPLE_CHOICE else padded(encoded, rows, how)


def budgeted(lengths: np.ndarray, token_budget: int) -> Iterator[np.ndarray]:
    """Rows in batches of at most ``token_budget`` tokens (a longer row alone), longest first:
    memory fails at once or never."""
    order = np.argsort(-np.asarray(lengths), kind="stable")
    begin = 0
    while begin < len(order):
        size = max(1, token_budget // max(int(lengths[order[begin]]), 1))
        yield order[begin : begin + size]
        begin += size


def task_batch(
    name: str, kind: TaskKind, encoded: Encoded, rows: Sequence[int], how: Reading
) -> dict[str, Any]:
    """One batch of a task with its targets."""
    inputs = inputs_of(kind, encoded, rows, how)
    at = np.asarray(rows)
    count = len(rows)
    if kind == TaskKind.TAGGING:
        labels = per_token(encoded, "token_label", rows, inputs["input_ids"].shape[1], IGNORED)
        targets = {"labels": labels}
        count = max(1, int((labels != IGNORED).sum()))
    else:
        columns = COLUMNS.get(kind, ("label",))
        targets = {
            NAMES.get(column, column): torch.from_numpy(np.asarray(encoded.columns[column])[at])
            for column in columns
        }
    tokens = int(np.asarray(encoded.lengths)[at].sum())
    return {"task": name, "inputs": inputs, "targets": targets, "count": count, "tokens": tokens}


def lm_batch(
    packer: Packer, numbers: range, how: Reading, masking: Masking | None, seed: int, step: int
) -> dict[str, Any]:
    """A batch of packed texts: masked (encoders) or shifted (decoders), with the
    block-diagonal attention mask."""
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
        "position_ids": torch.from_numpy(
            np.where(real, arrays["position"] + how.first_position, how.first_position)
        ),
        "document": torch.from_numpy(arrays["document"].astype(np.int32)),
    }
    targets = {
        "positions": torch.from_numpy(positions),
        "labels": torch.from_numpy(labels.reshape(-1)[positions]),
    }
    return {
        "task": "lm",
        "inputs": inputs,
        "targets": targets,
        "count": max(1, len(positions)),
        "tokens": int(real.sum()),
    }


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


class Ahead(torch.utils.data.DataLoader):
    """A loader whose batches are made by a thread, a few ahead and in pinned memory, while the GPU computes.

    A thread, not processes: making a batch is a few milliseconds of numpy, and a forked
    process would inherit locks.
    """

    DEPTH = 4

    def __init__(self, *args: Any, ahead: bool, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.ahead = ahead

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return self._from_thread(super().__iter__()) if self.ahead else super().__iter__()

    def _from_thread(self, batches: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        ready: queue.Queue = queue.Queue(self.DEPTH)
        stop = threading.Event()

        def put(item: Any) -> None:
            while not stop.is_set():
                try:
                    return ready.put(item, timeout=0.1)
                except queue.Full:
                    continue
            return None

        def work() -> None:
            try:
                for batch in batches:
                    put(pinned(batch))
                    if stop.is_set():
                        return
                put(None)
            except BaseException as error:  # noqa: BLE001 - raised again where the batch was asked for
                put(error)

        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        try:
            while (item := ready.get()) is not None:
                if isinstance(item, BaseException):
                    raise item
                yield item
        finally:
            stop.set()
            thread.join()


def pinned(batch: dict[str, Any]) -> dict[str, Any]:
    """The batch with its tensors in memory that a GPU copies from by itself."""
    if not torch.cuda.is_available():
        return batch
    return {
        name: {k: x.pin_memory() if isinstance(x, Tensor) else x for k, x in value.items()}
        if isinstance(value, dict)
        else value
        for name, value in batch.items()
    }
