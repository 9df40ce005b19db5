"""Spreads replicates over processes, each with its own connection to the tracking store.

What every replicate stands on (the base) is made first, by one process with the threads of all; a phase that
some of them share is made by one process while the others wait for it (``tracking/lease.py``).
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from mlflow_xfer import logs
from mlflow_xfer.params.chain import Transfer
from mlflow_xfer.params.reading import read
from mlflow_xfer.phases import replicates
from mlflow_xfer.phases.execute import Executor
from mlflow_xfer.phases.plan import Plan, make_plan
from mlflow_xfer.phases.references import References, task_file_tasks
from mlflow_xfer.tracking.store import Store


@dataclass(frozen=True)
class Job:
    """One replicate: the ``transfer`` as a user would type it,
    which of its transfers, and the run it belongs to.
    """

    typed: dict[str, Any]
    number: int
    parent: str


def spread(
    jobs: Sequence[Job], workers: int, first: Sequence[str] = (), parent: str | None = None
) -> list[str]:
    """The runs of the jobs' transfers, in their order.
    Threads are shared out, so that workers do not fight for cores.

    Args:
        first: spec hashes of phases to make before all others (see :func:`common`).
        parent: the run that asks for them.
    """
    if workers == 1:
        return [_run(job) for job in jobs]
    cores = os.cpu_count() or 1
    os.environ["OMP_NUM_THREADS"] = str(max(1, cores // workers))
    with ProcessPoolExecutor(
        workers, mp_context=multiprocessing.get_context("spawn"), initializer=logs.set_up
    ) as pool:
        try:
            if first:
                making = pool.submit(_make, jobs[0], frozenset(first), cores, parent)
                for _ in range(workers - 1):
                    pool.submit(_import)  # the other workers are ready when the base is
                making.result()
            waiting = [pool.submit(_run, job) for job in jobs]
            return [one.result() for one in waiting]
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for process in multiprocessing.active_children():
                process.terminate()
            raise


def common(plans: Iterable[Plan], executor: Executor) -> list[str]:
    """The phases, by spec hash, that all transfers of all plans stand on and that do not exist yet."""
    phases = [
        {phase.spec_hash: phase for phase in transfer.phases} for plan in plans for transfer in plan.transfers
    ]
    shared = set(phases[0]).intersection(*phases[1:])
    return [
        spec_hash
        for spec_hash, phase in phases[0].items()
        if spec_hash in shared and not executor.existing(phase)
    ]


def _import() -> None:
    """What a worker needs seconds to import."""
    import datasets  # noqa: F401
    import transformers  # noqa: F401

    from mlflow_xfer.training import trainer  # noqa: F401


def _make(job: Job, wanted: frozenset[str], threads: int, parent: str | None) -> None:
    """Phases of a job's transfer, by spec hash, in this process with that many threads."""
    from mlflow_xfer.training import devices

    with devices.threads(threads), _opened(job) as (executor, plan):
        for phase in plan.transfers[job.number].phases:
            if phase.spec_hash in wanted:
                executor.ensure(phase, parent=None if phase.is_base else parent)


def _run(job: Job) -> str:
    """One replicate in this process."""
    with _opened(job) as (executor, plan):
        return replicates.run_transfer(executor, plan, plan.transfers[job.number], parent=job.parent)


@contextmanager
def _opened(job: Job) -> Iterator[tuple[Executor, Plan]]:
    """This process' connection to the store, and the job's plan, composed again."""
    params = read(Transfer, job.typed)
    with Store.open(sync=False, probe=False) as store:
        plan = make_plan(
            "transfer", params, References(lambda: store, fetch=True), task_file_tasks(params), online=True
        )
        yield Executor(store, params.reuse, plan.suite, params.placement), plan
