"""What phases will cost before they run: optimiser steps, tokens, seconds, disk and memory.

They come from the settings, from finished runs and from the shape of the model. Steps follow from settings
and the number of rows. Tokens and seconds are calibrated on finished phases of the same store: tokens per
step and sequence of the same task (else of the kind of phase), seconds per token of the same base model.
Without any, the rows themselves are looked at where a machine is named and they are at hand; else tokens are
an upper bound (every sequence at its longest). The time follows from the arithmetic where a machine is named,
else it is unknown; a plan says which it is.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import reduce

from mlflow_xfer.data.mixing import count_steps
from mlflow_xfer.data.rows import Rows
from mlflow_xfer.phases import ahead
from mlflow_xfer.phases.needs import FLOAT, Needs, needs, shape_of, trained_weights
from mlflow_xfer.phases.past import Past, mean, sought
from mlflow_xfer.phases.phase import BaseModel, Phase
from mlflow_xfer.tasks.task import Task, mixture_of

UNKNOWN_ROWS = "the number of rows is not known before they are read"
UNKNOWN = f"{UNKNOWN_ROWS}: no estimate"


@dataclass(frozen=True)
class Cost:
    """What phases cost. NaN = unknown.

    ``exact``: tokens rest on finished runs or on the rows, else they are an upper bound.
    """

    steps: float = 0.0
    tokens: float = 0.0
    seconds: float = 0.0
    disk: float = 0.0
    exact: bool = True
    flops: float = 0.0

    def __add__(self, other: Cost) -> Cost:
        return Cost(
            self.steps + other.steps,
            self.tokens + other.tokens,
            self.seconds + other.seconds,
            self.disk + other.disk,
            self.exact and other.exact,
            self.flops + other.flops,
        )

    def times(self, factor: float) -> Cost:
        return Cost(
            self.steps * factor,
            self.tokens * factor,
            self.seconds * factor,
            self.disk * factor,
            self.exact,
            self.flops * factor,
        )


def cost(phase: Phase, past: Past) -> Cost:
    """What one phase costs when it is run."""
    base = phase.root()
    identity = base.identity if isinstance(base, BaseModel) else base.spec_hash
    found = needs_of(phase, past)
    if phase.kind == "evaluate":
        known = past.prediction_seconds(phase.tasks[0].name, identity)
        return Cost(seconds=_timed(known, found, past), flops=found.flops if found else math.nan)
    if phase.procedure == "merge":
        return Cost(disk=weights(phase, past))
    steps, (tokens, exact) = steps_of(phase), tokens_of(phase, past)
    known = tokens * past.seconds_per_token(phase.kind, identity)
    return Cost(
        steps,
        tokens,
        _timed(known, found, past),
        weights(phase, past),
        exact,
        found.flops if found else math.nan,
    )


def _timed(known: float, found: Needs | None, past: Past) -> float:
    """Seconds: those of finished phases where no machine is named, else by the arithmetic."""
    return known if past.machine is None or found is None else found.seconds


def tokens_of(phase: Phase, past: Past) -> tuple[float, bool]:
    """Tokens that a training reads, and whether finished runs or its own rows say so; else an upper bound."""
    longest = phase.training.max_seq_length
    known = sought(lambda: past.tokens_per_sequence(phase), lambda: _looked_up(phase, past, longest))
    length = longest if math.isnan(known) else known
    return steps_of(phase) * phase.training.train_batch_size * length, not math.isnan(known)


def _looked_up(phase: Phase, past: Past, length: int) -> float:
    """Tokens of a row, by the rows themselves, where a machine is asked about; NaN where they are not at
    hand. Where several tasks are mixed, as often of each.
    """
    base = past.base(phase) if past.machine else None
    shape = shape_of(base) if base is not None else None
    if base is None or shape is None:
        return math.nan
    wanted = "test" if phase.kind == "evaluate" else "train"
    first = {rows.task: rows for rows in reversed(phase.rows) if rows.split == wanted}
    found = [
        ahead.tokens_per_row(task, first[task.name], base, length, shape.decoder)
        for task in phase.tasks
        if task.name in first
    ]
    return mean(found) if all(not math.isnan(one) for one in found) else math.nan


def needs_of(phase: Phase, past: Past) -> Needs | None:
    """What a phase needs of the machine asked about; None where the shape of its model is not known."""
    base = past.base(phase)
    shape = shape_of(base) if base is not None else None
    if shape is None:
        return None
    if phase.kind == "evaluate":
        longest = phase.evaluation.max_seq_length
        tested = sum(_tested(phase.tasks[0], rows) for rows in phase.rows)
        tokens = tested * sought(lambda: _looked_up(phase, past, longest), lambda: longest)
        return needs(phase, shape, tokens, 0.0, 0.0, past.runtime, past.machine)
    if phase.procedure == "merge":
        return needs(phase, shape, 0.0, 0.0, 0.0, past.runtime, past.machine)
    settings, steps = phase.training, steps_of(phase)
    tokens, _ = tokens_of(phase, past)
    by_name = {task.name: task for task in phase.tasks}
    scored = [(by_name[rows.task], rows) for rows in phase.rows if rows.split == "validation"]
    scored += phase.selection
    rows = sum(min(_tested(*one), settings.max_dev_examples or math.inf) for one in scored)
    looks = 1 if settings.select_by == "last" else settings.evaluations
    if not settings.max_steps:
        looks = min(looks, math.ceil(settings.num_train_epochs))
    per_row = tokens / (steps * settings.train_batch_size) if steps else 0.0
    return needs(phase, shape, tokens, rows * looks * per_row, steps, past.runtime, past.machine)


def _tested(task: Task, rows: Rows) -> float:
    """Rows of a dev or test set, else as many as usual."""
    return float(ahead.count(task, rows) or ahead.USUAL)


def total(phases: Iterable[Phase], past: Past) -> Cost:
    return reduce(Cost.__add__, (cost(phase, past) for phase in phases), Cost())


def steps_of(phase: Phase) -> float:
    """Optimiser steps; NaN where the number of rows is not known before they are read."""
    s = phase.training
    if s.max_steps:
        return float(s.max_steps)
    if not phase.tasks:
        packed = _packed(phase)
        if math.isnan(packed):
            return packed
        return float(
            count_steps({}, mixture_of((), s), s.train_batch_size, s.num_train_epochs, 0, int(packed))
        )
    found = {task.name: _rows(task, phase) for task in phase.tasks}
    sizes = {name: n for name, n in found.items() if n is not None}
    if not sizes or len(sizes) < len(found):
        return math.nan
    mixture = mixture_of(sizes, s)
    return float(count_steps(sizes, mixture, s.train_batch_size, s.num_train_epochs, 0))


def _packed(phase: Phase) -> float:
    """Full rows that the raw text of a phase makes; NaN where that is not known."""
    s, root = phase.training, phase.root()
    base = root if isinstance(root, BaseModel) else None
    tokens = ahead.tokens_of_texts(phase.rows, s.text_words, base, s.max_seq_length)
    return tokens if math.isnan(tokens) else max(1, math.ceil(tokens / s.max_seq_length))


def _rows(task: Task, phase: Phase) -> int | None:
    own = next((rows for rows in phase.rows if rows.task == task.name and rows.split == "train"), None)
    known = (ahead.count(task, own) if own is not None else None) or task.size or None
    limit = phase.training.max_train_examples
    return min(known, limit) if known and limit else known or limit


def weights(phase: Phase, past: Past) -> float:
    """Bytes of a checkpoint that ``phase`` publishes, in float32; NaN where the shape of its model is not
    known."""
    base = past.base(phase)
    shape = shape_of(base) if base is not None else None
    part = past.runtime.checkpoint == "adapter" and phase.procedure != "merge"
    if shape and part and phase.training.trainable != "all":
        return FLOAT * trained_weights(phase, shape, math.nan)
    return FLOAT * shape.parameters if shape else math.nan


def foretold(phases: Sequence[Phase], past: Past) -> str:
    """What phases cost, in words. Where there is no estimate, no library is imported to make one."""
    trained = [phase for phase in phases if phase.kind != "evaluate" and phase.procedure != "merge"]
    unknown = {phase for phase in trained if math.isnan(steps_of(phase))}
    if unknown and len(unknown) == len(trained):
        return UNKNOWN
    told = said(total((phase for phase in phases if phase not in unknown), past), past)
    return f"{told}; besides {len(unknown)} trainings for which {UNKNOWN_ROWS}" if unknown else told


def said(found: Cost, past: Past) -> str:
    """An estimate in words."""
    if math.isnan(found.steps):
        return UNKNOWN
    tokens = (
        f"{'about' if found.exact else 'at most'} {amount(found.tokens)} tokens in {found.steps:,.0f} steps"
    )
    on = f" on {past.machine.name}" if past.machine else ""
    time = "" if math.isnan(found.seconds) else f", {duration(found.seconds)} of one process{on}"
    if time and past.price:
        time += f" at {past.price:g} an hour: {found.seconds / 3600 * past.price:,.2f}"
    flops = "" if math.isnan(found.flops) or past.machine is None else f", {found.flops:.2g} operations"
    disk = "" if math.isnan(found.disk) else f", {found.disk / 1e6:,.0f} MB of checkpoints"
    how = (
        "by the arithmetic, with rows at their longest where neither a finished phase nor the rows tell"
        if past.machine
        else f"calibrated on {len(past.used)} finished phases"
        if found.exact and not math.isnan(found.seconds)
        else "not calibrated: no finished phase here tells tokens and time"
        if not past.used
        else "partly calibrated: some of it has never been run here"
    )
    return f"{tokens}{flops}{time}{disk} ({how})"


def amount(number: float) -> str:
    """A count for reading: ``12.3 million``, ``4,500``."""
    return f"{number / 1e6:,.1f} million" if number >= 1e6 else f"{number:,.0f}"


def duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
