"""The engine of a cluster: each phase is a task of Ray, which runs where there is room for it.

The driver hands a phase to Ray with the tasks of its inputs as arguments, a few more phases than run at once.
Ray runs a task at most once; a phase whose node or process is lost is handed to it again, here. What is
trained is kept by the tracking store alone: between driver and nodes go lines of JSON.
"""

from __future__ import annotations

import importlib.util
import json
import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from mlflow_xfer.conditions.engines import messages, on_node
from mlflow_xfer.conditions.engines.cluster import Cluster
from mlflow_xfer.conditions.engines.engine import (
    Event,
    Failed,
    Finished,
    Handle,
    Needs,
    Order,
    Progress,
    dependents,
)
from mlflow_xfer.conditions.engines.handlers import as_raised
from mlflow_xfer.conditions.engines.local import DEATHS
from mlflow_xfer.conditions.engines.resources import Room
from mlflow_xfer.conditions.engines.work import stopped, was_stopped
from mlflow_xfer.conditions.engines.worker import GRACE
from mlflow_xfer.errors import TRY_AGAIN, XferError
from mlflow_xfer.params.settings import RuntimeOptions
from mlflow_xfer.phases.code import code_hash
from mlflow_xfer.phases.phase import Phase
from mlflow_xfer.tracking.store import Store

logger = logging.getLogger(__name__)

LOOK_SECONDS = 5.0  # between looks at which nodes there are


def check(address: str | None) -> None:
    """Raise :class:`XferError` where Ray is not installed, or the address is none of a cluster."""
    if importlib.util.find_spec("ray") is None:
        raise XferError("engine=ray needs Ray, which is not installed.", "pip install 'mlflow-xfer[ray]'")
    if address is not None and "://" in address:
        raise XferError(
            f"ray_address={address} is no address of a cluster.",
            "Accepted: host:port, auto, none. From outside of a cluster, submit the command to it: "
            "ray job submit -- mlflow-xfer …",
        )


@dataclass(eq=False)
class Job:
    """A submitted phase. ``ref``: its task, None while it waits here; ``reached``: the furthest step that the
    task was seen at; ``best`` and ``deaths`` as of :class:`mlflow_xfer.conditions.engines.local.Job`."""

    phase: Phase
    order: Order
    needs: Needs
    after: tuple[Handle, ...]
    ref: Any = None
    reached: int = -1
    best: int = -1
    deaths: int = 0
    cancelled: bool = False


class OnRay:
    """Runs phases on a Ray cluster.

    Args:
        workers: how many at once, at most; None: as many as the cluster has room for.
        address: of the cluster; None: one is started on this host.
        runtime: how all of them are computed.
    """

    def __init__(self, store: Store, workers: int | None, address: str | None, runtime: RuntimeOptions):
        self.cluster = Cluster(store, workers, address)
        self.room = Room((), workers, runtime)
        self.looked = 0.0
        self.jobs: dict[Handle, Job] = {}
        self.waiting: dict[Handle, Job] = {}  # those of them that Ray does not have
        self.tasks: dict[Any, Handle] = {}
        self.runs: dict[Handle, str] = {}

    @property
    def slots(self) -> int:
        return self.room.slots

    def submit(self, phase: Phase, order: Order, needs: Needs, after: Sequence[Handle] = ()) -> Handle:
        handle = Handle(phase.spec_hash, phase.label)
        job = Job(phase, order, self.room.asked(phase, needs), tuple(after))
        self.jobs[handle] = self.waiting[handle] = job
        return handle

    def events(self) -> Iterator[Event]:
        with as_raised():
            yield from self._events()

    def _events(self) -> Iterator[Event]:
        while self.jobs:
            self._look()
            self._assign()
            ended, lines = self.cluster.heard(self.tasks, LOOK_SECONDS)
            for line in lines:
                event = messages.read_event(json.loads(line))
                if isinstance(event, Progress) and (job := self.jobs.get(event.handle)):
                    job.reached = max(job.reached, event.step)
                    yield event
            for ref in ended:
                event = self._ended(ref)
                if event is not None:
                    yield event

    def cancel(self, handle: Handle) -> bool:
        job = self.jobs.get(handle)
        if job is None or job.ref is None:
            self.jobs.pop(handle, None)
            self.waiting.pop(handle, None)
            return False
        job.cancelled = True
        self.cluster.stop(job.ref)
        return True

    def __enter__(self) -> OnRay:
        self.cluster.open()
        self._look()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            with suppress(*self.cluster.errors):
                self.cluster.end(list(self.tasks), GRACE)
        finally:
            self.cluster.close()
            self.jobs.clear()
            self.waiting.clear()
            self.tasks.clear()

    # -- what Ray has ----------------------------------------------------------------------------------------
    def _look(self) -> None:
        """See which nodes there are; what none of them can run any more is not waited for for ever."""
        if time.monotonic() - self.looked < LOOK_SECONDS:
            return
        self.room = Room(self.cluster.nodes(), self.room.workers, self.room.runtime)
        self.looked = time.monotonic()
        for handle, job in self.jobs.items():
            if job.ref is not None and not any(node.gives(job.needs) for node in self.room.nodes):
                raise XferError(
                    f"{handle.label}: the cluster has lost all nodes that it could run on.",
                    "Run the same command again when they are back.",
                    TRY_AGAIN,
                )

    def _assign(self) -> None:
        """Hand phases to Ray, in their order: twice as many as run at once whose inputs are done, and as many
        whose inputs are with Ray too."""
        ready = sum(self._ready(self.jobs[one]) for one in self.tasks.values() if one in self.jobs)
        behind, most, given = len(self.tasks) - ready, 2 * self.slots, []
        for handle, job in self.waiting.items():
            if ready >= most and behind >= most:
                break
            if self._ready(job):
                if ready >= most:
                    continue
                ready += 1
            elif behind < most and all(one in self.runs or self._at_ray(one) for one in job.after):
                behind += 1
            else:
                continue
            given.append(handle)
            self._give(handle, job)
        for handle in given:
            del self.waiting[handle]

    def _ready(self, job: Job) -> bool:
        return all(one in self.runs for one in job.after)

    def _at_ray(self, handle: Handle) -> bool:
        return handle in self.jobs and self.jobs[handle].ref is not None

    def _give(self, handle: Handle, job: Job) -> None:
        done = [one for one in job.after if one in self.runs]
        order = job.order.with_runs(done, self.runs)
        told = messages.order(job.phase, order, job.needs.cores, code_hash(job.phase))
        inputs = [self.jobs[one].ref for one in job.after if one not in self.runs]
        job.ref, job.reached = self.cluster.start(on_node.run, handle.label, job.needs, told, inputs), -1
        self.tasks[job.ref] = handle

    # -- what becomes of it ----------------------------------------------------------------------------------
    def _ended(self, ref: Any) -> Event | None:
        handle = self.tasks.pop(ref)
        job = self.jobs.get(handle)
        if job is None:
            return None
        line, why = self.cluster.result(ref)
        if not self._ready(job) and not job.cancelled:  # an input did not come to its end, yet or at all
            job.ref, self.waiting[handle] = None, job
            return None
        if job.cancelled and not line:
            return self._failed(handle, stopped(handle))
        if not line:
            return self._lost(handle, job, why)
        event = messages.read_event(json.loads(line))
        if isinstance(event, Finished):
            del self.jobs[handle]
            self.runs[handle] = event.done.run_id
            return event
        code = getattr(event.error, "exit_code", 1) if isinstance(event, Failed) else 0
        if isinstance(event, Failed) and code == TRY_AGAIN and not job.cancelled:
            return self._lost(handle, job, _said(event))
        return self._failed(handle, event)

    def _lost(self, handle: Handle, job: Job, why: str) -> Event | None:
        """Hand a phase to Ray again, unless it is lost again and again without getting any further."""
        job.deaths = 1 if job.reached > job.best else job.deaths + 1
        job.best = max(job.best, job.reached)
        if job.deaths < DEATHS:
            logger.error("%s is lost (%s); it goes on elsewhere", handle.label, why)
            job.ref, self.waiting[handle] = None, job
            return None
        what = f"{handle.label}: lost {DEATHS} times, and it never got further. The last time: {why}."
        return self._failed(handle, Failed(handle, XferError(what, exit_code=TRY_AGAIN)))

    def _failed(self, handle: Handle, event: Event) -> Event:
        """Forget a phase that did not come to its end, and what needs it."""
        for other in dependents(handle, {one: job.after for one, job in self.jobs.items()}) | {handle}:
            del self.jobs[other]
            self.waiting.pop(other, None)
        return event


def _said(event: Failed) -> str:
    """Why a phase did not come to its end, on one line."""
    return "it was stopped there" if was_stopped(event) else " ".join(str(event.error).split()).rstrip(".")
