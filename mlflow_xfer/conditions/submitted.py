"""Phases on an engine, each once however many ask for it, and taken back when nobody asks any more."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Generic, TypeVar

from mlflow_xfer.conditions.crew import Crew
from mlflow_xfer.conditions.engines.engine import (
    Engine,
    Failed,
    Finished,
    Handle,
    Held,
    Needs,
    Order,
    Progress,
    dependents,
)
from mlflow_xfer.conditions.engines.here import Here
from mlflow_xfer.conditions.engines.local import Local
from mlflow_xfer.conditions.engines.ray import OnRay
from mlflow_xfer.errors import TRY_AGAIN
from mlflow_xfer.phases.execute import Executor
from mlflow_xfer.phases.phase import Phase

logger = logging.getLogger(__name__)

Asker = TypeVar("Asker")


@dataclass
class Submission(Generic[Asker]):
    """A phase that was submitted and has not ended.

    Args:
        askers: who waits for it.
        payer: who is charged with what it costs.
        ending: it was taken back, and has not ended yet.
    """

    phase: Phase
    order: Order
    needs: Needs
    handle: Handle
    after: list[Handle]
    askers: list[Asker]
    payer: Asker
    ending: bool = False


@dataclass
class Submitted(Generic[Asker]):
    """The phases of several askers on one engine, which is started with the first of them. A context.

    Args:
        executor: whose store holds for all; what is done, and what it cost, is written down in it.
        crew: what they run on.
        hear: told what the training of a submitted phase logs, as it logs it.
    """

    executor: Executor
    crew: Crew
    hear: Callable[[Submission[Asker], Progress], object] = lambda submission, progress: None
    by_hash: dict[str, Submission[Asker]] = field(default_factory=dict)
    _engine: Engine | None = None
    _open: ExitStack = field(default_factory=ExitStack)

    @property
    def engine(self) -> Engine:
        if self._engine is None:
            self._engine = self._open.enter_context(self._made())
        return self._engine

    def _made(self) -> Engine:
        store, crew, runtime = self.executor.store, self.crew, self.executor.runtime
        if crew.engine == "ray":
            return OnRay(store, crew.workers, crew.address, runtime)
        assert crew.workers is not None, "of this host the number is known"
        if crew.in_process:
            return Here(store, self._heard)
        return Local(store, crew.workers, each=runtime.processes)

    def submit(self, phase: Phase, asker: Asker, order: Order, needs: Needs = Needs()) -> None:  # noqa: B008 (frozen)
        """Have ``phase`` run for ``asker`` too; its inputs are done or were submitted before."""
        if (known := self.by_hash.get(phase.spec_hash)) is not None:
            known.askers.append(asker)
            return
        inputs = [source.spec_hash for source in phase.inputs if isinstance(source, Phase)]
        after = [self.by_hash[one].handle for one in inputs if one in self.by_hash]
        done = {one: self.executor.done[one].run_id for one in inputs if one in self.executor.done}
        order = replace(order, done=done)
        handle = self.engine.submit(phase, order, needs, after)
        self.by_hash[phase.spec_hash] = Submission(phase, order, needs, handle, after, [asker], asker)

    def withdraw(self, asker: Asker) -> bool:
        """Ask for nothing any more. Phases that nobody else waits for are taken back; whether one of them
        has still to end."""
        ending = False
        for one in [one for one in self.by_hash.values() if asker in one.askers]:
            one.askers.remove(asker)
            if one.askers:
                one.payer = one.askers[0] if one.payer is asker else one.payer
            elif self.engine.cancel(one.handle):
                one.ending = ending = True
            else:
                del self.by_hash[one.phase.spec_hash]
        return ending

    def ended(self) -> Iterator[tuple[Submission[Asker], Finished | Failed | Held]]:
        """What became of phases, as they end, until nothing that was submitted is left.

        A phase that was taken back and is asked for again meanwhile is submitted again once it has ended.
        """
        for event in self.engine.events():
            if isinstance(event, Progress):
                self._heard(event)
                continue
            one = self.by_hash.pop(event.handle.spec_hash)
            if not isinstance(event, Finished):
                after = {other.handle: other.after for other in self.by_hash.values()}
                for other in dependents(one.handle, after):
                    del self.by_hash[other.spec_hash]
            if not isinstance(event, Held):
                self.executor.spent += event.spent
            if isinstance(event, Finished):
                self.executor.done[one.phase.spec_hash] = event.done
            again, one.askers = (one.askers, []) if one.ending and _stopped(event) else ([], one.askers)
            for asker in again:
                self.submit(one.phase, asker, one.order, one.needs)
            yield one, event

    def _heard(self, progress: Progress) -> None:
        one = self.by_hash.get(progress.handle.spec_hash)
        if one is not None:
            self.hear(one, progress)

    def __enter__(self) -> Submitted[Asker]:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()
        self.by_hash.clear()


def _stopped(event: Finished | Failed | Held) -> bool:
    """Whether a phase ended because it was taken back."""
    return isinstance(event, Failed) and getattr(event.error, "exit_code", None) == TRY_AGAIN
