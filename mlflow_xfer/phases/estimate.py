"""What phases will cost before they run: optimiser steps, tokens, seconds and disk.

They come from the settings and from finished runs. Steps follow from settings and the number of rows. Tokens
and seconds are calibrated on finished phases of the same store: tokens per step and sequence of the same task
(else of the kind of phase), seconds per token of the same base model. Without any, tokens are an upper bound
(every sequence at its longest) and the time is unknown; a plan says which of the two it is.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, reduce
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from mlflow_xfer.data.mixing import count_steps
from mlflow_xfer.data.rows import Rows
from mlflow_xfer.models.load import POSITIONS, SIZES, parse_scratch
from mlflow_xfer.phases.phase import BaseModel, Phase
from mlflow_xfer.tasks.task import Task, mixture_of

if TYPE_CHECKING:
    from mlflow_xfer.tracking.runs import RunView
    from mlflow_xfer.tracking.store import Store

LOOKED_AT = 2000  # finished runs, newest first
LINES = (".tsv", ".csv", ".jsonl", ".txt")  # files whose lines are rows


@dataclass(frozen=True)
class Cost:
    """What phases cost. NaN = unknown.

    ``exact``: tokens rest on finished runs, else they are an upper bound.
    """

    steps: float = 0.0
    tokens: float = 0.0
    seconds: float = 0.0
    disk: float = 0.0
    exact: bool = True

    def __add__(self, other: Cost) -> Cost:
        return Cost(
            self.steps + other.steps,
            self.tokens + other.tokens,
            self.seconds + other.seconds,
            self.disk + other.disk,
            self.exact and other.exact,
        )

    def times(self, factor: float) -> Cost:
        return Cost(
            self.steps * factor, self.tokens * factor, self.seconds * factor, self.disk * factor, self.exact
        )


@dataclass
class Past:
    """Finished phases of a store.

    Args:
        runs: newest first.
    """

    runs: Sequence[RunView] = ()

    @classmethod
    def of(cls, store: Store) -> Past:
        return cls(
            store.search({"xfer.kind": "phase"}, status="FINISHED", newest_first=True, limit=LOOKED_AT)
        )

    @cached_property
    def by_hash(self) -> dict[tuple[str, str], str]:
        """The oldest finished run by spec and code hash, and by spec and ``""`` for any code;
        artifacts are not looked at.
        """
        found: dict[tuple[str, str], str] = {}
        for run in self.runs:
            spec, code = run.tags.get("xfer.spec_hash", ""), run.tags.get("xfer.code_hash", "")
            found |= {(spec, code): run.run_id, (spec, ""): run.run_id}
        return found

    @cached_property
    def trained(self) -> list[RunView]:
        return [
            run
            for run in self.runs
            if run.metrics.get("train/optimizer_steps") and run.metrics.get("train/tokens")
        ]

    def tokens_per_sequence(self, phase: Phase) -> float:
        """Of phases with the same tasks, else the mean over those with one of them, else of the kind;
        NaN without any.
        """
        names = (
            [phase.target] if phase.kind == "target" and phase.target else [task.name for task in phase.tasks]
        )
        return _first(
            self._per_sequence(phase.kind, ",".join(names)),
            _mean([self._per_sequence(phase.kind, name) for name in names]),
            self._per_sequence(phase.kind, None),
        )

    def _per_sequence(self, kind: str, tasks: str | None) -> float:
        found = []
        for run in self.trained:
            mine = run.tags.get("xfer.target" if kind == "target" else "xfer.tasks", "")
            batch = float(run.params.get("train_batch_size", 0) or 0)
            if run.tags.get("xfer.phase") == kind and batch and (tasks is None or mine == tasks):
                found.append(run.metrics["train/tokens"] / run.metrics["train/optimizer_steps"] / batch)
        return median(found) if found else math.nan

    def seconds_per_token(self, kind: str, base: str) -> float:
        """Of phases on the same base model, of this kind if there are any."""
        on_base = [
            run
            for run in self.trained
            if run.tags.get("xfer.base_identity") == base and run.metrics.get("train/seconds")
        ]
        of_kind = [run for run in on_base if run.tags.get("xfer.phase") == kind]
        rates = [run.metrics["train/seconds"] / run.metrics["train/tokens"] for run in of_kind or on_base]
        return median(rates) if rates else math.nan

    def prediction_seconds(self, target: str, base: str) -> float:
        found = [
            run.metrics["predict/seconds"]
            for run in self.runs
            if run.metrics.get("predict/seconds") and run.tags.get("xfer.base_identity") == base
        ]
        mine = [
            run.metrics["predict/seconds"]
            for run in self.runs
            if run.metrics.get("predict/seconds")
            and run.tags.get("xfer.target") == target
            and run.tags.get("xfer.base_identity") == base
        ]
        return median(mine or found) if mine or found else math.nan


def cost(phase: Phase, past: Past) -> Cost:
    """What one phase costs when it is run."""
    base = phase.root()
    identity = base.identity if isinstance(base, BaseModel) else base.spec_hash
    if phase.kind == "evaluate":
        return Cost(seconds=past.prediction_seconds(phase.tasks[0].name, identity))
    if phase.procedure == "merge":
        return Cost(disk=weights(phase))
    steps = steps_of(phase)
    known = past.tokens_per_sequence(phase)
    tokens = (
        steps
        * phase.training.train_batch_size
        * (phase.training.max_seq_length if math.isnan(known) else known)
    )
    return Cost(
        steps,
        tokens,
        tokens * past.seconds_per_token(phase.kind, identity),
        weights(phase),
        not math.isnan(known),
    )


def total(phases: Iterable[Phase], past: Past) -> Cost:
    return reduce(Cost.__add__, (cost(phase, past) for phase in phases), Cost())


def steps_of(phase: Phase) -> float:
    """Optimiser steps; NaN where the number of rows is not known before they are read."""
    s = phase.training
    if s.max_steps:
        return float(s.max_steps)
    found = {task.name: _rows(task, phase) for task in phase.tasks}
    sizes = {name: n for name, n in found.items() if n is not None}
    if not sizes or len(sizes) < len(found):
        return math.nan
    mixture = mixture_of(sizes, s)
    return float(count_steps(sizes, mixture, s.train_batch_size, s.num_train_epochs, 0))


def _rows(task: Task, phase: Phase) -> int | None:
    own = next((rows for rows in phase.rows if rows.task == task.name and rows.split == "train"), None)
    known = (_lines(own) if own is not None and own.paths else None) or task.size or None
    limit = phase.training.max_train_examples
    return min(known, limit) if known and limit else known or limit


def _lines(rows: Rows) -> int | None:
    """Rows of plain text files, by their line ends."""
    if not all(Path(path).suffix in LINES and Path(path).is_file() for path in rows.paths):
        return None
    count = 0
    for path in rows.paths:
        with open(path, "rb") as file:
            while block := file.read(1 << 20):
                count += block.count(b"\n")
    return count


def weights(phase: Phase) -> float:
    """Bytes of a checkpoint that ``phase`` publishes:
    its base model's weights, in float32; NaN if that is not at hand.
    """
    base = phase.root()
    if not isinstance(base, BaseModel):
        return math.nan
    if base.identity.startswith("scratch:"):
        size: Mapping[str, Any] = SIZES[parse_scratch(base.reference)[1]]
        layer = 4 * size["hidden"] ** 2 + 2 * size["hidden"] * size["inner"]
        return 4.0 * ((size["vocab_size"] + POSITIONS) * size["hidden"] + size["layers"] * layer)
    folder = Path(base.path)
    return (
        float(sum(file.stat().st_size for file in folder.glob("*.safetensors"))) or math.nan
        if folder.is_dir()
        else math.nan
    )


def said(found: Cost, past: Past) -> str:
    """An estimate in words."""
    if math.isnan(found.steps):
        return "the number of rows is not known before they are read: no estimate"
    tokens = (
        f"{'about' if found.exact else 'at most'} {amount(found.tokens)} tokens in {found.steps:,.0f} steps"
    )
    time = "" if math.isnan(found.seconds) else f", {duration(found.seconds)} of one process"
    disk = "" if math.isnan(found.disk) else f", {found.disk / 1e6:,.0f} MB of checkpoints"
    how = (
        f"calibrated on {len(past.trained)} finished phases"
        if found.exact and not math.isnan(found.seconds)
        else "not calibrated: no finished phase here tells tokens and time"
        if not past.trained
        else "partly calibrated: some of it has never been run here"
    )
    return f"{tokens}{time}{disk} ({how})"


def amount(number: float) -> str:
    """A count for reading: ``12.3 million``, ``4,500``."""
    return f"{number / 1e6:,.1f} million" if number >= 1e6 else f"{number:,.0f}"


def duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def _first(*values: float) -> float:
    return next((value for value in values if not math.isnan(value)), math.nan)


def _mean(values: Sequence[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    return sum(known) / len(known) if known else math.nan
