"""The engine of this host: long-lived worker processes, each with its share of the cores or its GPU.

Torch is imported once a worker. A worker that dies is replaced, and its phase goes on in another from the
last state that it saved.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from queue import SimpleQueue
from types import TracebackType
from typing import IO, Any

from mlflow_xfer.conditions.engines import messages
from mlflow_xfer.conditions.engines.engine import (
    Event,
    Failed,
    Finished,
    Handle,
    Needs,
    Order,
    Progress,
    dependents,
    most_threads,
)
from mlflow_xfer.conditions.engines.work import stopped, was_stopped
from mlflow_xfer.conditions.engines.worker import GRACE
from mlflow_xfer.errors import TRY_AGAIN, XferError
from mlflow_xfer.phases.machines import visible_gpus
from mlflow_xfer.phases.phase import Phase
from mlflow_xfer.tracking.store import Store

logger = logging.getLogger(__name__)

DEATHS = 3  # of workers with one phase, none of which got further than the one before, until it is given up


@dataclass
class Job:
    """A submitted phase. ``best`` is the step that it has been seen at, ``deaths`` how often a worker has
    ended it, or died with it, since it got there; ``cancelled``: it was taken back while it ran."""

    phase: Phase
    order: Order
    needs: Needs
    after: frozenset[Handle]
    best: int = -1
    deaths: int = 0
    cancelled: bool = False


@dataclass(eq=False)
class Process:
    """A worker process and the phase that it runs."""

    popen: subprocess.Popen[str]
    job: Handle | None = None
    reached: int = -1  # the furthest step of the phase that it runs


@dataclass
class Local:
    """Runs phases in ``slots`` worker processes of this host, for the store of the driver.

    Args:
        cores: CPU cores that all workers share.
        gpus: the GPUs to share, as CUDA_VISIBLE_DEVICES names them; (): none.
        each: how many of them a worker has: one for each process of its phases.
        program: the module that a worker process runs.
    """

    store: Store
    slots: int
    cores: int = field(default_factory=lambda: os.cpu_count() or 1)
    gpus: Sequence[str] = field(default_factory=lambda: visible_gpus())
    each: int = 1
    program: str = "mlflow_xfer.conditions.engines.worker"
    jobs: dict[Handle, Job] = field(default_factory=dict)
    runs: dict[Handle, str] = field(default_factory=dict)
    processes: list[Process] = field(default_factory=list)
    idle_deaths: int = 0
    heard: SimpleQueue[tuple[Process, str]] = field(default_factory=SimpleQueue)

    @property
    def share(self) -> int:
        """Cores of one worker."""
        return max(1, self.cores // self.slots)

    def submit(self, phase: Phase, order: Order, needs: Needs, after: Sequence[Handle] = ()) -> Handle:
        handle = Handle(phase.spec_hash, phase.label)
        self.jobs[handle] = Job(phase, order, needs, frozenset(after))
        return handle

    def events(self) -> Iterator[Event]:
        while self.jobs:
            self._assign()
            process, line = self.heard.get()
            if process not in self.processes:
                continue
            event = self._said(process, json.loads(line)) if line else self._died(process)
            if event is not None:
                yield event

    def cancel(self, handle: Handle) -> bool:
        running = next((one for one in self.processes if one.job == handle), None)
        if running is None:
            self.jobs.pop(handle, None)
            return False
        self.jobs[handle].cancelled = True
        self._tell(running, json.dumps({"say": "cancel", "spec_hash": handle.spec_hash}))
        return True

    def close(self) -> None:
        processes, self.processes = self.processes, []
        for one in processes:
            assert one.popen.stdin is not None, "a pipe"
            one.popen.stdin.close()  # what tells a worker to end
        deadline = time.monotonic() + GRACE
        for one in processes:
            try:
                one.popen.wait(max(deadline - time.monotonic(), 0.1))
            except subprocess.TimeoutExpired:
                one.popen.kill()
                one.popen.wait()
        self.jobs.clear()

    def __enter__(self) -> Local:
        for n in range(self.slots):
            self._start(n)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # -- who does what ---------------------------------------------------------------------------------------
    def _assign(self) -> None:
        """Give phases whose inputs are done to idle workers, as far as there are cores."""
        for handle, job in self.jobs.items():
            idle = next((one for one in self.processes if one.job is None), None)
            if idle is None:
                return
            if job.after - self.runs.keys() or any(one.job == handle for one in self.processes):
                continue
            if self._taken() and self._taken() + self._cores(job) > max(self.cores, self.slots):
                return  # it waits for all cores, and what comes after it does not overtake it for ever
            idle.job, idle.reached = handle, -1
            order = job.order.with_runs(job.after, self.runs)
            self._tell(idle, messages.order(job.phase, order, job.needs.cores))

    def _cores(self, job: Job) -> int:
        return min(job.needs.cores or self.share, self.cores)

    def _taken(self) -> int:
        return sum(self._cores(self.jobs[one.job]) for one in self.processes if one.job in self.jobs)

    def _said(self, process: Process, said: dict[str, Any]) -> Event | None:
        event = messages.read_event(said)
        if event.handle != process.job:
            return None
        if isinstance(event, Progress):
            process.reached = max(process.reached, event.step)
            return event
        process.job = None
        if was_stopped(event) and not self.jobs[event.handle].cancelled:
            logger.error("a worker process was told to stop (SIGTERM)")
            return self._lost(event.handle, process.reached, "SIGTERM", TRY_AGAIN)
        self.jobs.pop(event.handle)
        if isinstance(event, Finished):
            self.runs[event.handle] = event.done.run_id
        else:
            self._forget_dependents(event.handle)
        return event

    def _died(self, process: Process) -> Event | None:
        """Replace a dead worker; its phase is run again."""
        number, code = self.processes.index(process), process.popen.wait()
        how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        logger.error("a worker process ended (%s)", how)
        self._start(number)
        handle = process.job
        if handle not in self.jobs:
            self.idle_deaths += 1
            if self.idle_deaths > DEATHS * self.slots:
                raise XferError(f"Worker processes end before they do anything ({how}).", exit_code=1)
            return None
        return self._lost(handle, process.reached, how, max(code, 1))

    def _lost(self, handle: Handle, reached: int, how: str, code: int) -> Event | None:
        """Have a phase run again, unless it was taken back, or is lost without getting any further."""
        job = self.jobs[handle]
        job.deaths = 1 if reached > job.best else job.deaths + 1
        job.best = max(job.best, reached)
        if job.deaths < DEATHS and not job.cancelled:
            logger.error("%s goes on in another worker", handle.label)
            return None
        del self.jobs[handle]
        self._forget_dependents(handle)
        if job.cancelled:
            return stopped(handle)
        what = f"{handle.label}: {DEATHS} workers ended with it ({how}), none of which got further."
        return Failed(handle, XferError(what, "What went wrong stands above.", exit_code=code))

    def _forget_dependents(self, handle: Handle) -> None:
        for other in dependents(handle, {one: job.after for one, job in self.jobs.items()}):
            del self.jobs[other]

    # -- processes -------------------------------------------------------------------------------------------
    def _start(self, number: int) -> None:
        """Start the worker of that place, in place of the one that is there."""
        own = {
            "MLFLOW_TRACKING_URI": self.store.uri,
            "MLFLOW_EXPERIMENT_ID": self.store.experiment_id,
            "OMP_NUM_THREADS": str(min(self.share, most_threads())),
            "PYTHONPATH": os.pathsep.join(filter(None, (_home(), os.environ.get("PYTHONPATH")))),
        }
        if self.gpus:
            own["CUDA_VISIBLE_DEVICES"] = ",".join(self._gpus(number))
        popen = subprocess.Popen(
            [sys.executable, "-m", self.program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | own,
            encoding="utf-8",
        )
        process = Process(popen)
        self.processes[number : number + 1] = [process]
        assert popen.stdout is not None, "a pipe"
        threading.Thread(target=self._listen, args=(process, popen.stdout), daemon=True).start()

    def _gpus(self, number: int) -> list[str]:
        """Those of the worker of that place; where there are too few, workers share them in turn."""
        first = number * self.each
        return [self.gpus[n % len(self.gpus)] for n in range(first, first + min(self.each, len(self.gpus)))]

    def _listen(self, process: Process, answers: IO[str]) -> None:
        """Hand on what a worker says; an empty line is its end."""
        for line in answers:
            self.heard.put((process, line))
        self.heard.put((process, ""))

    def _tell(self, process: Process, line: str) -> None:
        """Say something to a worker; one that has just died is noticed elsewhere."""
        assert process.popen.stdin is not None, "a pipe"
        try:
            process.popen.stdin.write(line + "\n")
            process.popen.stdin.flush()
        except BrokenPipeError:
            logger.debug("a worker ended before it was told")


def _home() -> str:
    """The folder that this package is imported from, so that workers import the same."""
    return str(Path(__file__).resolve().parents[3])
