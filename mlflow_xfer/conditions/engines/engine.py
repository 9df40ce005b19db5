"""What an engine is: it takes phases, runs each where there is room, and says what becomes of them.

One phase is one unit. The driver submits phases, inputs before what needs them, and reads events.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Protocol

from mlflow_xfer.params.settings import RuntimeOptions
from mlflow_xfer.phases.make import Done, Spent
from mlflow_xfer.phases.phase import Phase


@dataclass(frozen=True)
class Needs:
    """What a phase takes while it runs: CPU cores (0: a worker's share), GPUs, bytes of memory (0: not
    known)."""

    cores: int = 0
    gpus: float = 0.0
    memory: int = 0


def most_threads(environment: Mapping[str, str] = os.environ) -> int:
    """The threads that a phase computes with at most: OMP_NUM_THREADS where it is set, else one a core."""
    cores = os.cpu_count() or 1
    first = environment.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    return min(int(first), cores) if first.isdecimal() and int(first) else cores


@dataclass(frozen=True)
class Handle:
    """A submitted phase."""

    spec_hash: str
    label: str


@dataclass(frozen=True)
class Order:
    """How a phase is to be run, besides what decides its result.

    Args:
        parent: the run that asks for it, if it has to be made.
        reuse, suite, runtime: as of :class:`mlflow_xfer.phases.execute.Executor`.
        done: the runs of its inputs, by spec hash.
        wait: for another process that makes the phase; else it is Held.
        dead: as of :class:`mlflow_xfer.phases.execute.Executor`.
        place: where it stands in all that is done, such as ``3/11``; ``left``: how long that will
            still take, in words.
        keep: which weights are to stay once they were evaluated (``kept.GOES``).
    """

    parent: str | None = None
    reuse: str = "same-code"
    suite: str = ""
    runtime: RuntimeOptions = field(default_factory=RuntimeOptions)
    done: Mapping[str, str] = field(default_factory=dict)
    wait: bool = True
    dead: Sequence[str] = ()
    place: str = ""
    left: str = ""
    keep: str = "all"

    def with_runs(self, after: Iterable[Handle], runs: Mapping[Handle, str]) -> Order:
        """The same, with the runs of inputs that were submitted too and are done by now."""
        return replace(self, done={**self.done, **{one.spec_hash: runs[one] for one in after}})


@dataclass(frozen=True)
class Progress:
    """A phase that trains has logged figures at a step."""

    handle: Handle
    step: int
    metrics: Mapping[str, float]


@dataclass(frozen=True)
class Finished:
    """A phase is done; ``spent`` is what it cost here, () where an earlier run was taken."""

    handle: Handle
    done: Done
    spent: tuple[Spent, ...] = ()


@dataclass(frozen=True)
class Failed:
    """A phase did not come to its end; exit code 75: it was stopped, and goes on when it is wanted again."""

    handle: Handle
    error: Exception
    spent: tuple[Spent, ...] = ()


@dataclass(frozen=True)
class Held:
    """A phase was not begun, because another process makes it."""

    handle: Handle


Event = Progress | Finished | Failed | Held


def dependents(handle: Handle, after: Mapping[Handle, Collection[Handle]]) -> set[Handle]:
    """All phases that stand on ``handle``, directly or not; ``after``: the inputs of each."""
    waiting: set[Handle] = set()
    left = [handle]
    while left:
        one = left.pop()
        new = {other for other, inputs in after.items() if one in inputs} - waiting
        waiting |= new
        left += new
    return waiting


class Engine(Protocol):
    """Runs phases. Used as a context: at its end nothing of it runs any more."""

    @property
    def slots(self) -> int:
        """How many phases run at once, at most."""
        ...

    def submit(self, phase: Phase, order: Order, needs: Needs, after: Sequence[Handle] = ()) -> Handle:
        """Have ``phase`` run once all of ``after`` are done; what was submitted first goes first."""
        ...

    def events(self) -> Iterator[Event]:
        """What happens, as it happens, until nothing that was submitted is left. More may be submitted
        meanwhile. A phase whose inputs fail, or are held, is not run and has no event."""
        ...

    def cancel(self, handle: Handle) -> bool:
        """Take a phase back: one that waits is forgotten, one that runs saves its state and fails with exit
        code 75. Whether it runs, so that an event will tell of its end."""
        ...

    def __enter__(self) -> Engine: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End everything that runs: trainings save their state, and their runs are KILLED."""
        ...
