"""The one runner: the phases of many transfers on an engine, each phase once, as many at once as there are
workers.

A transfer's run is opened when the first phase is run for it, and ended when all its phases are done. A phase
that several transfers need is made for the first of them; what all of them stand on is made for the run that
asks for them, with the cores of all workers.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from mlflow_xfer.conditions.engines.engine import Engine, Failed, Finished, Handle, Needs, Order
from mlflow_xfer.conditions.engines.here import Here
from mlflow_xfer.conditions.engines.local import Local
from mlflow_xfer.conditions.transfers import close_transfer, finished, name, open_transfer, pointed
from mlflow_xfer.phases import record
from mlflow_xfer.phases.execute import Done, Executor
from mlflow_xfer.phases.phase import Phase
from mlflow_xfer.phases.plan import Plan, Transfer, unique

logger = logging.getLogger(__name__)


@dataclass(eq=False)
class Replicate:
    """One transfer to be run.

    Args:
        parent: the run of its condition.
        opened: the run that ``mlflow run`` opened for it.
        run_id: its run, once it is opened or taken.
        left: its phases that are not done, by spec hash.
    """

    plan: Plan
    transfer: Transfer
    parent: str | None = None
    opened: str | None = None
    run_id: str = ""
    left: set[str] = field(default_factory=set)
    ended: bool = False


def run_transfers(
    executor: Executor, replicates: Sequence[Replicate], workers: int, shared: str | None = None
) -> list[str]:
    """The runs of the transfers, in their order: finished ones are taken, the others run.

    Args:
        executor: whose store, way of reuse and placement hold for all; it knows what was done afterwards.
        workers: processes; 1: this one.
        shared: the run that phases belong to on which all transfers stand; None: the first transfer's.
    """
    driver = Driver(executor, replicates, shared)
    driver.look()
    driver.run(workers)
    return [one.run_id for one in replicates]


def workers_of(asked: str | int) -> int:
    """The processes that ``workers`` asks for; ``auto``: half the cores, at least 2 where there are 2."""
    cores = os.cpu_count() or 1
    return max(cores // 2, min(cores, 2)) if isinstance(asked, str) else asked


def _engine(executor: Executor, workers: int) -> AbstractContextManager[Engine]:
    return Here(executor.store, executor.watch) if workers == 1 else Local(executor.store, workers)


@dataclass
class Driver:
    """What is to be run, what runs, and what is done.

    Args:
        replicates, shared: as of :func:`run_transfers`.
        waiting: phases to run, each after its inputs.
        flying: what was submitted and is not done.
        makers: for which replicate a phase is made; None: for the run that asks for all.
    """

    executor: Executor
    replicates: Sequence[Replicate]
    shared: str | None = None
    waiting: list[Phase] = field(default_factory=list)
    flying: dict[Handle, Phase] = field(default_factory=dict)
    makers: dict[str, Replicate | None] = field(default_factory=dict)
    common: set[str] = field(default_factory=set)

    def look(self) -> None:
        """Take what exists; the rest is waiting."""
        for one in self.replicates:
            self._take_or_list(one)
        running = [one for one in self.replicates if not one.ended]
        phases = [{phase.spec_hash for phase in one.transfer.phases} for one in running]
        if len(running) > 1:
            self.common = set.intersection(*phases) & {phase.spec_hash for phase in self.waiting}
        for one in running:
            for phase in one.transfer.phases:
                own = None if self.shared and phase.spec_hash in self.common else one
                self.makers.setdefault(phase.spec_hash, own)

    def _take_or_list(self, one: Replicate) -> None:
        executor, transfer = self.executor, one.transfer
        missing = [phase for phase in transfer.phases if not self._exists(phase)]
        earlier = finished(executor, transfer.plan_hash, "transfer") if not missing else None
        if earlier:
            logger.info("%s: reused run %s (all its phases exist)", name(transfer), earlier)
            one.run_id, one.ended = pointed(executor.store, earlier, one.opened, name(transfer)), True
            return
        one.left = {phase.spec_hash for phase in missing}
        self.waiting = unique([*self.waiting, *missing])

    def _exists(self, phase: Phase) -> bool:
        if phase.spec_hash not in self.executor.done and (found := self.executor.existing(phase)):
            self.executor.done[phase.spec_hash] = Done(found, "reused")
        return phase.spec_hash in self.executor.done

    # -- running ---------------------------------------------------------------------------------------------
    def run(self, workers: int) -> None:
        """Run all that is waiting; where that fails, end the runs that are open."""
        try:
            if self.waiting:
                with _engine(self.executor, min(workers, len(self.waiting))) as engine:
                    self._drive(engine)
            for one in self.replicates:
                if not one.ended:
                    self.end(one)
        except BaseException as error:
            for one in self.replicates:
                if one.run_id and not one.ended:
                    record.end_failed(self.executor.store, one.run_id, error)
            raise

    def _drive(self, engine: Engine) -> None:
        """Give the engine all that is waiting, and take what it says."""
        self._feed(engine)
        for event in engine.events():
            if isinstance(event, Finished | Failed):
                self.executor.spent += event.spent
            if isinstance(event, Failed):
                raise event.error
            if isinstance(event, Finished):
                self._done(event)
            self._feed(engine)

    def _feed(self, engine: Engine) -> None:
        """Submit phases while there is room: some more than run at once, so that no worker waits. What all
        transfers stand on comes first and alone."""
        flying = {handle.spec_hash: handle for handle in self.flying}
        for phase in list(self.waiting):
            full = len(self.flying) >= (2 * engine.slots if engine.slots > 1 else 1)
            if full or any(one in self.common for one in flying):
                return
            inputs = [source.spec_hash for source in phase.inputs if isinstance(source, Phase)]
            done = self.executor.done
            if any(one not in done and one not in flying for one in inputs):
                continue
            self.waiting.remove(phase)
            handle = engine.submit(
                phase,
                self._order(phase, {one: done[one].run_id for one in inputs if one in done}),
                Needs(cores=os.cpu_count() or 1) if phase.spec_hash in self.common else Needs(),
                [flying[one] for one in inputs if one not in done],
            )
            self.flying[handle], flying[phase.spec_hash] = phase, handle

    def _order(self, phase: Phase, done: dict[str, str]) -> Order:
        """How a phase is run: for the run that it is made for, which is opened if it is not."""
        maker = self.makers[phase.spec_hash]
        parent = self.shared if maker is None else self._open(maker)
        suite = self.executor.suite if maker is None else maker.plan.suite
        executor = self.executor
        return Order(None if phase.is_base else parent, executor.reuse, suite, executor.placement, done)

    def _open(self, one: Replicate) -> str:
        if not one.run_id:
            one.run_id = open_transfer(
                self.executor.store, one.plan, one.transfer, opened=one.opened, parent=one.parent
            )
        return one.run_id

    def _done(self, event: Finished) -> None:
        self.flying.pop(event.handle)
        self.executor.done[event.handle.spec_hash] = event.done
        for one in self.replicates:
            if event.handle.spec_hash in one.left:
                one.left.remove(event.handle.spec_hash)
                if not one.left:
                    self.end(one)

    def end(self, one: Replicate) -> None:
        """Log the totals of a replicate whose phases are all done, and end its run."""
        run_id, executor = self._open(one), self.executor
        done = {phase.spec_hash: executor.done[phase.spec_hash] for phase in one.transfer.phases}
        reused = [
            found.run_id
            for spec_hash, found in done.items()
            if found.how == "reused" or self.makers.get(spec_hash) is not one
        ]
        runs = {spec_hash: found.run_id for spec_hash, found in done.items()}
        close_transfer(executor.store, run_id, one.plan, one.transfer, runs, reused)
        one.ended = True
