"""Which examples each training step sees:
a schedule of homogeneous batches that is a pure function of (seed, step).

Nothing here reads a global random state, so a run that was killed goes on with exactly the batches it would
have seen (protocol: one batch = one task, the loss is not re-weighted; Raffel et al. 2020 §3.5.2 for the
rates).
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from mlflow_xfer.errors import XferError
from mlflow_xfer.tasks.task import Mixture

MEGABATCH = 100
"""Batches sorted by length together: more pads less, and makes the order less random."""


def stream(*key: object) -> np.random.Generator:
    """Random numbers that depend on ``key`` alone, the same in every process and on every machine."""
    digest = hashlib.sha256(repr(key).encode()).digest()
    return np.random.Generator(np.random.Philox(key=int.from_bytes(digest[:16], "little")))


def key_of(task: str | None) -> str:
    """What a task draws random numbers by, and its place in their order: its name.

    The language model (None) has the key ``lm``. A task that is called ``lm`` has a key that no other task
    can have, for names hold no blank.
    """
    return "lm" if task is None else "task lm" if task == "lm" else task


@dataclass
class EpochBatches:
    """Walks through one task's rows, epoch by epoch, in batches of about equal length.

    Args:
        name: the task's key (:func:`key_of`); two tasks never share an order.
        lengths: [rows] tokens of each row.
        batch: rows in a batch; the last batch of an epoch may be smaller.
        seed: of the run.
    """

    name: str
    lengths: np.ndarray
    batch: int
    seed: int
    _epochs: dict[int, list[np.ndarray]] = field(default_factory=dict)

    @property
    def batches_per_epoch(self) -> int:
        return math.ceil(len(self.lengths) / self.batch)

    def rows(self, number: int) -> np.ndarray:
        """Row numbers of the task's ``number``-th batch, counted from 0 over all epochs."""
        epoch, place = divmod(number, self.batches_per_epoch)
        if epoch not in self._epochs:
            self._epochs = {epoch: self._order(epoch)}
        return self._epochs[epoch][place]

    def _order(self, epoch: int) -> list[np.ndarray]:
        """The batches of one epoch: a permutation, sorted by length within megabatches, batches shuffled."""
        draws = stream("epoch", self.seed, self.name, epoch)
        permutation = draws.permutation(len(self.lengths))
        size = self.batch * MEGABATCH
        grouped = [
            chunk[np.argsort(-np.asarray(self.lengths)[chunk], kind="stable")]
            for chunk in (permutation[i : i + size] for i in range(0, len(permutation), size))
        ]
        batches = [chunk[i : i + self.batch] for chunk in grouped for i in range(0, len(chunk), self.batch)]
        return [batches[i] for i in draws.permutation(len(batches))]


def rates(sizes: Mapping[str, int], mixture: Mixture) -> dict[str, float]:
    """The share of batches of each task, language-model batches aside; sums to 1."""
    capped = {name: min(n, mixture.cap) if mixture.cap else n for name, n in sizes.items()}
    if mixture.mixing == "uniform":
        weights = dict.fromkeys(capped, 1.0)
    elif mixture.mixing == "temperature":
        weights = {name: n ** (1.0 / mixture.temperature) for name, n in capped.items()}
    elif mixture.mixing == "proportional":
        weights = {name: float(n) for name, n in capped.items()}
    else:
        raise XferError(f"Unknown mixing {mixture.mixing!r}.", "Accepted: proportional, temperature, uniform")
    total = sum(weights.values())
    return {name: weight / total for name, weight in weights.items()}


def count_steps(
    sizes: Mapping[str, int], mixture: Mixture, batch: int, epochs: float, max_steps: int, lm_size: int = 0
) -> int:
    """Optimiser steps: ``max_steps`` if given, else sum over tasks of epochs × ceil(min(n, cap) / batch).

    Language-model batches come on top, so that the tasks get the steps they would have without them. Without
    any task ``lm_size`` rows are walked through.
    """
    if max_steps:
        return max_steps
    if not sizes:
        return max(1, math.ceil(epochs * math.ceil(lm_size / batch)))
    capped = [min(n, mixture.cap) if mixture.cap else n for n in sizes.values()]
    steps = sum(math.ceil(epochs * math.ceil(n / batch)) for n in capped)
    return max(1, round(steps / (1.0 - mixture.mlm_share)))


@dataclass(frozen=True)
class Schedule:
    """Which task each step trains, and which of its batches that is.

    Attributes:
        tasks: their keys (:func:`key_of`).
        choice: [steps] index into ``tasks``.
        turn: [steps] how many batches of the same task came before.
    """

    tasks: tuple[str, ...]
    choice: np.ndarray
    turn: np.ndarray

    def __len__(self) -> int:
        return len(self.choice)

    def at(self, step: int) -> tuple[str, int]:
        return self.tasks[self.choice[step]], int(self.turn[step])


def schedule(shares: Mapping[str, float], steps: int, seed: int) -> Schedule:
    """The task of each of ``steps`` steps; step t is the same for any ``steps``.

    Stratified draws: task i has exactly one batch, at a random place, in every stretch of ``1 / shares[i]``
    steps. As random as independent draws over a long run, and in a short one no task goes without by bad
    luck.
    """
    names = tuple(sorted(shares))
    times, choice, turn = [], [], []
    for index, name in enumerate(names):
        n = math.ceil(shares[name] * (steps + len(names))) + 2
        times.append((np.arange(n) + stream("mixture", seed, name).random(n)) / max(shares[name], 1e-12))
        choice.append(np.full(n, index))
        turn.append(np.arange(n))
    order = np.argsort(np.concatenate(times), kind="stable")[:steps]
    return Schedule(names, np.concatenate(choice)[order], np.concatenate(turn)[order])


def with_lm(task_shares: Mapping[str, float], mlm_share: float) -> dict[str, float]:
    """Shares of all batches where ``mlm_share`` of them are language-model batches."""
    if not task_shares:
        return {key_of(None): 1.0}
    shares = {name: share * (1.0 - mlm_share) for name, share in task_shares.items()}
    return shares | ({key_of(None): mlm_share} if mlm_share else {})


def evaluation_steps(total: int, epochs: float, at_most: int) -> Sequence[int]:
    """After which steps dev is scored: epoch ends,
    or if there are more than ``at_most``, evenly spread; the last always.
    """
    ends = epoch_ends(total, epochs)
    if len(ends) > at_most:
        ends = sorted({round(total * k / at_most) for k in range(1, at_most + 1)})
    return [step for step in ends if step > 0]


def epoch_ends(total: int, epochs: float) -> list[int]:
    """The last step of each epoch; of a part of an epoch, the last step of all."""
    whole = max(1, math.ceil(epochs))
    return sorted({min(total, max(1, round(total * k / epochs))) for k in range(1, whole)} | {total})
