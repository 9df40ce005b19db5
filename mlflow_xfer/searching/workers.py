"""Workers of one search: in this process, or several processes of this host; more may join from anywhere.

A worker is told only where the search is: name and storage. What it needs besides, it builds from the study
(:class:`Job`). A worker that dies is noticed and replaced, its trial is queued again, and the others go on
meanwhile.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from importlib import import_module
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from typing import Any

from mlflow_xfer import logs
from mlflow_xfer.errors import INTERRUPTED, TRY_AGAIN, XferError
from mlflow_xfer.searching.hosts import present
from mlflow_xfer.searching.leases import LeasedStudy
from mlflow_xfer.searching.loop import run_worker
from mlflow_xfer.searching.opening import join_study
from mlflow_xfer.searching.place import Place
from mlflow_xfer.searching.space import Space
from mlflow_xfer.searching.storage import check_workers
from mlflow_xfer.searching.trials import Budget, Observer, RunTrial
from mlflow_xfer.tracking import endpoint

logger = logging.getLogger(__name__)

REPLACEMENTS = 5  # of one worker that dies again and again
GRACE = 30.0  # seconds that a worker has to save its state when it is asked to end


@dataclass
class Job:
    """What a worker does, besides the study.

    Args:
        options: further arguments of :func:`loop.run_worker`.
        close: called at the worker's end, however that comes.
    """

    space: Space
    run: RunTrial
    budget: Budget
    options: Mapping[str, Any] = field(default_factory=dict)
    observer: Observer | None = None
    close: Callable[[], object] = lambda: None


def work(study: LeasedStudy, build: str, began: datetime | None = None) -> str:
    """Be a worker of ``study`` until the search ends; says why it did.

    Args:
        build: ``module:function`` that makes the :class:`Job` of a study; by name, because it travels to
            other processes.
        began: start of the command, see :func:`loop.run_worker`.
    """
    module, _, function = build.partition(":")
    job: Job = getattr(import_module(module), function)(study)
    try:
        return run_worker(
            study,
            job.space,
            job.run,
            job.budget,
            observer=job.observer,
            between=lambda: study.reap(job.space),
            stay=True,
            began=began,
            **job.options,
        )
    finally:
        job.close()


def run_workers(where: Place, name: str, build: str, workers: int) -> None:
    """Run ``workers`` workers of the search ``name`` on this host, and wait for its end.

    One works in this process; several are processes of their own, threads shared out among them.

    Raises:
        XferError: others use the storage in a way that leaves no room; or no worker came to the search's end:
            the exit code is the first one's.
    """
    began = datetime.now()
    study = join_study(where, name)
    with present(where):
        check_workers(where, workers, endpoint.tracking_uri(), study.others())
        if workers == 1:
            logger.info("search %s: ended (%s)", name, work(study, build, began))
            return
        os.environ["OMP_NUM_THREADS"] = str(max(1, (os.cpu_count() or 1) // workers))
        Crew(where, name, build, began, workers).run()


@dataclass
class Crew:
    """Worker processes of this host, and how they ended."""

    where: Place
    name: str
    build: str
    began: datetime
    size: int
    running: dict[BaseProcess, int] = field(default_factory=dict)  # process -> how often its like has died
    ended: list[int] = field(default_factory=list)  # exit codes, dead ones aside

    def run(self) -> None:
        """Start them and wait for all."""
        try:
            for _ in range(self.size):
                self._start(0)
            while self.running:
                sentinels = {process.sentinel: process for process in self.running}
                for sentinel in wait(list(sentinels)):
                    assert isinstance(sentinel, int), "what was waited for"
                    self._after(sentinels[sentinel])
        except BaseException:
            self._stop()
            raise
        if 0 not in self.ended:
            code = next(iter(self.ended), 1)
            raise XferError(
                f"None of the {self.size} workers of {self.name} came to the search's end.",
                "What went wrong stands above. The same command goes on from there.",
                exit_code=code,
            )

    def _start(self, deaths: int) -> None:
        context = multiprocessing.get_context("spawn")
        process = context.Process(
            target=_process,
            args=(self.where, self.name, self.build, self.began),
            name=f"xfer-worker-{len(self.running)}",
        )
        process.start()
        self.running[process] = deaths

    def _after(self, process: BaseProcess) -> None:
        """A worker has ended: it is done, it failed, or it died and is replaced."""
        process.join()
        deaths = self.running.pop(process)
        code = process.exitcode
        assert code is not None, "it has been joined"
        if code >= 0:
            self.ended.append(code)
            if code:
                logger.error("worker %d ended with exit code %d; the others go on", process.pid, code)
            return
        logger.error("worker %d was killed (%s)", process.pid, signal.Signals(-code).name)
        if deaths < REPLACEMENTS:
            self._start(deaths + 1)
        else:
            logger.error("it was the %dth in its place; it is not replaced", deaths + 1)
            self.ended.append(1)

    def _stop(self) -> None:
        """Ask all to end, and end those that do not."""
        for process in self.running:
            process.terminate()
        deadline = time.monotonic() + GRACE
        for process in self.running:
            process.join(max(deadline - time.monotonic(), 0.1))
            if process.is_alive():
                process.kill()
                process.join()


class Stopped(BaseException):
    """SIGTERM: whoever started this worker wants it to end. Its trial is queued again."""


def _process(where: Place, name: str, build: str, began: datetime) -> None:
    """What a worker process runs."""
    logs.set_up()
    signal.signal(signal.SIGTERM, _on_sigterm)
    threading.Thread(target=_end_with_parent, name="xfer-parent", daemon=True).start()
    sys.exit(_exit_code(lambda: work(join_study(where, name), build, began)))


def _exit_code(call: Callable[[], object]) -> int:
    try:
        call()
    except XferError as error:
        logger.error("error: %s", error)
        return error.exit_code
    except KeyboardInterrupt:
        return INTERRUPTED
    except Stopped:
        return TRY_AGAIN
    except Exception:
        logger.exception("a worker failed")
        return 1
    return 0


def _on_sigterm(*_: Any) -> None:
    raise Stopped


def _end_with_parent() -> None:
    """End this process when its parent has died: in order if it can, else hard."""
    parent = multiprocessing.parent_process()
    assert parent is not None, "a worker process is started by another"
    parent.join()
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE)
    os._exit(TRY_AGAIN)
