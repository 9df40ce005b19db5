"""Spreads replicates over processes, each with its own connection to the tracking store."""

from __future__ import annotations

import logging
import multiprocessing
import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import Any

from mlflow_xfer import params as parameters
from mlflow_xfer.phases import replicates
from mlflow_xfer.phases.execute import Executor
from mlflow_xfer.phases.plan import make_plan
from mlflow_xfer.phases.references import References, task_file_tasks
from mlflow_xfer.tracking.store import Store


@dataclass(frozen=True)
class Job:
    """One replicate: the ``transfer`` as a user would type it, which of its transfers, and the run it belongs to."""

    typed: dict[str, Any]
    number: int
    parent: str


def spread(jobs: Sequence[Job], workers: int) -> list[str]:
    """The runs of the jobs' transfers, in their order. Threads are shared out, so that workers do not fight for cores."""
    if workers == 1:
        return [_run(job) for job in jobs]
    os.environ["OMP_NUM_THREADS"] = str(max(1, (os.cpu_count() or 1) // workers))
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn"), initializer=quiet) as pool:
        waiting = [pool.submit(_run, job) for job in jobs]
        try:
            return [one.result() for one in waiting]
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for process in multiprocessing.active_children():
                process.terminate()
            raise


def quiet() -> None:
    """Logging of a worker process: ours, and of others what is wrong."""
    logging.basicConfig(level=os.environ.get("XFER_LOG_LEVEL", "INFO"), format="%(message)s")
    for noisy in ("mlflow", "alembic", "httpx", "datasets"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


def _run(job: Job) -> str:
    """One replicate in this process: composes the same plan again and runs its transfer."""
    params: Any = parameters.parse("transfer", job.typed)
    with Store.open(sync=False, probe=False) as store:
        plan = make_plan("transfer", params, References(lambda: store, fetch=True), task_file_tasks(params), online=True)
        return replicates.run_transfer(Executor(store, params.reuse, plan.suite), plan, plan.transfers[job.number], parent=job.parent)
