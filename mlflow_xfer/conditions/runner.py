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
from dataclasses import dataclass, field

from mlflow_xfer.conditions.ahead import ahead
from mlflow_xfer.conditions.crew import Crew
from mlflow_xfer.conditions.engines.engine import Failed, Held, Needs, Order
from mlflow_xfer.conditions.submitted import Submitted
from mlflow_xfer.conditions.time_left import TimeLeft
from mlflow_xfer.conditions.transfers import close_transfer, finished, name, open_transfer, pointed
from mlflow_xfer.durable.patience import awaited
from mlflow_xfer.phases import endings, kept
from mlflow_xfer.phases.execute import Executor
from mlflow_xfer.phases.past import Past
from mlflow_xfer.phases.phase import Phase
from mlflow_xfer.phases.plan import Plan, Transfer, unique
from mlflow_xfer.tracking import commands
from mlflow_xfer.tracking.lease import dead_holder

logger = logging.getLogger(__name__)

LOOK_SECONDS, HELD_SECONDS = 0.5, 10.0  # between looks at what others make; until it is asked for again


@dataclass(eq=False)
class Replicate:
    """One transfer to be run.

    Args:
        parent: the run of its condition.
        opened: the run that ``mlflow run`` opened for it.
        besides: evaluations that are no part of it and are made for it before its weights go.
        run_id: its run, once it is opened or taken.
        left: its phases that are not done, by spec hash.
    """

    plan: Plan
    transfer: Transfer
    parent: str | None = None
    opened: str | None = None
    besides: Sequence[Phase] = ()
    run_id: str = ""
    left: set[str] = field(default_factory=set)
    ended: bool = False

    @property
    def phases(self) -> list[Phase]:
        """All that is run for it, each phase after its inputs."""
        return unique([*self.transfer.phases, *self.besides])


def run_transfers(
    executor: Executor, replicates: Sequence[Replicate], crew: Crew, shared: str | None = None
) -> list[str]:
    """The runs of the transfers, in their order: finished ones are taken, the others run.

    Args:
        executor: whose store, way of reuse and runtime options hold for all; afterwards it knows what was
            done.
        crew: what phases run on.
        shared: the run that phases belong to on which all transfers stand; None: the first transfer's.
    """
    driver = Driver(executor, replicates, shared)
    driver.look()
    driver.run(crew)
    return [one.run_id for one in replicates]


@dataclass
class Driver:
    """What is to be run, what runs, and what is done.

    Args:
        replicates, shared: as of :func:`run_transfers`.
        wanted: phases that did not exist, each after its inputs.
        makers: for which replicate a phase is made; None: for the run that asks for all.
        held: of the wanted ones, those that another process makes.
        dead: of each phase that was held, by spec hash, the worker that holds it without being heard of. The
            workers here do not know: a new one may be asked each time.
        places: where each phase stands among those of the transfers that are run: ``3/11``.
    """

    executor: Executor
    replicates: Sequence[Replicate]
    shared: str | None = None
    wanted: list[Phase] = field(default_factory=list)
    makers: dict[str, Replicate | None] = field(default_factory=dict)
    common: set[str] = field(default_factory=set)
    held: set[str] = field(default_factory=set)
    dead: dict[str, str] = field(default_factory=dict)
    places: dict[str, str] = field(default_factory=dict)
    left: TimeLeft = field(init=False)

    def __post_init__(self) -> None:
        self.left = TimeLeft(lambda: Past.of(self.executor.store))
        for one in self.replicates:
            one.besides = self.executor.besides.get(one.transfer.plan_hash, ())

    def look(self) -> None:
        """Take what exists; the rest is wanted."""
        phases = unique(phase for one in self.replicates for phase in one.phases)
        missing = kept.to_run(phases, self.executor.known, self.executor.keep)
        for one in self.replicates:
            self._take_or_list(one, {phase.spec_hash for phase in missing})
        running = [one for one in self.replicates if not one.ended]
        phases = [{phase.spec_hash for phase in one.phases} for one in running]
        if len(running) > 1:
            self.common = set.intersection(*phases) & {phase.spec_hash for phase in self.wanted}
        for one in running:
            for phase in one.phases:
                own = None if self.shared and phase.spec_hash in self.common else one
                self.makers.setdefault(phase.spec_hash, own)
        self._count([phase for one in running for phase in one.phases])

    def _count(self, phases: Sequence[Phase]) -> None:
        """Give each phase its place, and say which of them exist."""
        every = unique(phases)
        self.places = {phase.spec_hash: f"{n}/{len(every)}" for n, phase in enumerate(every, 1)}
        self.executor.place = lambda phase: self.places.get(phase.spec_hash, "")
        for phase in every:
            if phase.spec_hash in self.executor.done:
                self.executor.say_reused(phase, self.executor.done[phase.spec_hash].run_id)

    def _take_or_list(self, one: Replicate, gone: set[str]) -> None:
        executor, transfer = self.executor, one.transfer
        missing = [phase for phase in one.phases if phase.spec_hash in gone]
        earlier = finished(executor, transfer.plan_hash, "transfer", transfer.phases) if not missing else None
        if earlier:
            logger.info("%s: reused run %s (all its phases exist)", name(transfer), earlier)
            commands.note(executor.store, earlier, one.plan.verb, one.plan.asked_of(transfer))
            one.run_id, one.ended = pointed(executor.store, earlier, one.opened, name(transfer)), True
            return
        one.left = {phase.spec_hash for phase in missing}
        self.wanted = unique([*self.wanted, *missing])

    # -- running ---------------------------------------------------------------------------------------------
    def run(self, crew: Crew) -> None:
        """Run all that is wanted; where that fails, end the runs that are open."""
        try:
            with Submitted[Driver](self.executor, crew.for_phases(len(self.wanted))) as submitted:
                while self._wanted:
                    self._drive(submitted)
                    if self.held:
                        self._come_back()
            for one in self.replicates:
                if not one.ended:
                    self.end(one)
        except BaseException as error:
            for one in self.replicates:
                if one.run_id and not one.ended:
                    endings.end_failed(self.executor.store, one.run_id, error)
            raise

    @property
    def _wanted(self) -> list[Phase]:
        return [phase for phase in self.wanted if phase.spec_hash not in self.executor.done]

    def _drive(self, submitted: Submitted[Driver]) -> None:
        """Give the engine what can be run, and take what it says, until only what others make is left."""
        self._feed(submitted)
        for one, event in submitted.ended():
            if isinstance(event, Failed):
                raise event.error
            if isinstance(event, Held):
                logger.info("%s: another process makes it; going on with others", one.phase.title)
                self.held.add(one.phase.spec_hash)
                self._see_holder(one.phase)
            else:
                self.left.ran(one.phase, sum(spent.seconds for spent in event.spent))
                self._done(one.phase)
            self._feed(submitted)

    def _come_back(self) -> None:
        """Wait until something that others make is done; after a while, see whether they still make it."""
        held = [phase for phase in self._wanted if phase.spec_hash in self.held]
        awaited(lambda: self._take(held) or None, LOOK_SECONDS, seconds=HELD_SECONDS)
        for phase in held:
            if phase.spec_hash not in self.executor.done:
                self._see_holder(phase)
        self.held.clear()

    def _take(self, asked: Sequence[Phase]) -> list[Phase]:
        """Take what others have made of ``asked`` and of what stands on it. Weights that they have dropped
        are missed only where something starts from them that is still to run."""
        executor = self.executor
        if not any(executor.existing(phase, weights=False) for phase in asked):
            return []
        around = kept.with_dependents(asked, self._wanted)
        missing = {phase.spec_hash for phase in kept.to_run(around, executor.known, executor.keep)}
        made = [phase for phase in around if phase.spec_hash not in missing]
        for phase in made:
            executor.say_reused(phase, executor.done[phase.spec_hash].run_id)
            self._done(phase)
        return made

    def _see_holder(self, phase: Phase) -> None:
        """See whether who makes a phase is still heard of."""
        self.dead[phase.spec_hash] = dead_holder(self.executor.store, self.executor.key(phase))

    def _feed(self, submitted: Submitted[Driver]) -> None:
        """Submit phases while there is room."""
        executor, slots = self.executor, submitted.engine.slots
        wanted = [phase for phase in self._wanted if phase.spec_hash not in self.held]
        for phase in ahead(wanted, executor.done, submitted.by_hash, slots, self.common):
            if not kept.kept(phase, executor.keep):
                self._take([phase])
            if phase.spec_hash not in executor.done:
                alone = Needs(cores=os.cpu_count() or 1) if phase.spec_hash in self.common else Needs()
                submitted.submit(phase, self, self._order(phase, slots), alone)

    def _order(self, phase: Phase, slots: int) -> Order:
        """How a phase is run: for the run that it is made for, which is opened if it is not."""
        maker = self.makers[phase.spec_hash]
        parent = self.shared if maker is None else self._open(maker)
        suite = self.executor.suite if maker is None else maker.plan.suite
        executor = self.executor
        left = self.left.said(self._wanted, slots) if len(self.wanted) > 1 else ""
        return Order(
            None if phase.is_base else parent,
            executor.reuse,
            suite,
            executor.runtime,
            wait=False,
            dead=tuple(filter(None, (self.dead.get(phase.spec_hash),))),
            place=self.places[phase.spec_hash],
            left=left,
            keep=executor.keep,
        )

    def _open(self, one: Replicate) -> str:
        if not one.run_id:
            one.run_id = open_transfer(
                self.executor, one.plan, one.transfer, opened=one.opened, parent=one.parent
            )
        return one.run_id

    def _done(self, phase: Phase) -> None:
        for one in self.replicates:
            if phase.spec_hash in one.left:
                one.left.remove(phase.spec_hash)
                if not one.left:
                    self.end(one)

    def end(self, one: Replicate) -> None:
        """Log the totals of a replicate whose phases are all done, and end its run."""
        run_id, executor = self._open(one), self.executor
        done = {phase.spec_hash: executor.done[phase.spec_hash] for phase in one.transfer.phases}
        reused = [
            end.run_id
            for spec_hash, end in done.items()
            if end.how == "reused" or self.makers.get(spec_hash) is not one
        ]
        runs = {spec_hash: end.run_id for spec_hash, end in done.items()}
        close_transfer(executor.store, run_id, one.plan, one.transfer, runs, reused)
        one.ended = True
        self._drop_weights(one)

    def _drop_weights(self, one: Replicate) -> None:
        """Drop weights of a replicate that has ended, its scores in the store: those that are not to be kept,
        and from which nothing starts that is still to run."""
        everything = unique(phase for other in self.replicates for phase in other.phases)
        for phase in one.transfer.phases:
            if not kept.kept(phase, self.executor.keep) and all(
                other.spec_hash in self.executor.done for other in kept.dependents(phase, everything)
            ):
                self.executor.drop_weights(phase)
