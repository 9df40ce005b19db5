"""Joining a search that another process has begun, on this machine or another one: the verb ``worker``.

A worker that does not see the same data, or runs other code, would mix other results in: that is found out
before it asks for a trial.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from mlflow_xfer.errors import TRY_AGAIN, XferError
from mlflow_xfer.home import home
from mlflow_xfer.params.questions import Worker
from mlflow_xfer.phases.execute import Executor, validate
from mlflow_xfer.phases.phase import digest
from mlflow_xfer.phases.plan import Plan
from mlflow_xfer.searching.job import BUILD, COMMAND, PARENT, job_of
from mlflow_xfer.searching.opening import check_tracking, join_study
from mlflow_xfer.searching.place import place
from mlflow_xfer.searching.workers import run_workers

if TYPE_CHECKING:
    from mlflow_xfer.searching.leases import LeasedStudy
    from mlflow_xfer.tracking.store import Store

logger = logging.getLogger(__name__)

# of a study: data, settings and code of its baseline, which stand for those of all its trials
PRINT = "xfer.fingerprint"


def join_search(params: Worker, store: Store) -> str:
    """Work for a search until it ends; returns its run.

    Args:
        params: of the verb ``worker``.
        store: this machine's connection to the search's tracking store.

    Raises:
        XferError: there is no such search, it is still being prepared (75), or this machine's store, data or
            code are others.
    """
    name = params.study_name if params.study_name != "auto" else only_name(params.storage)
    where = place(params.storage, name)
    study = join_study(where, name)
    if PARENT not in study.user_attrs or COMMAND not in study.user_attrs:
        raise XferError(
            f"The search {name!r} is still being prepared.", "Try again in a minute.", exit_code=TRY_AGAIN
        )
    check_tracking(study, store.uri)
    check_machine(study, store)
    logger.info("joining the search %s in %s", name, where.shown)
    run_workers(where, name, BUILD, params.workers)
    return study.user_attrs[PARENT]


def fingerprint(plan: Plan, executor: Executor) -> str:
    """What a plan's results depend on: data, settings, and the code of its phases."""
    return digest([plan.plan_hash, sorted({executor.code(phase) for phase in plan.phases})])


def check_machine(study: LeasedStudy, store: Store) -> None:
    """Whether this machine would get the same results; reads and checks the baseline's data.

    Raises:
        XferError: what it cannot read, or that its data or code differ.
    """
    job = job_of(study)
    try:
        plan = job.run.plan(job.space.neutral(()), job.options["seeds"])
        executor = Executor(store)
        validate(phase for phase in plan.phases if not executor.existing(phase))
        if study.user_attrs.get(PRINT) != fingerprint(plan, executor):
            raise XferError(
                f"This machine's data or code are not those with which the search {study.study_name!r} was "
                "last begun: its results would be of something else.",
                "Bring mlflow-xfer to the same version and the data folder to the same content here "
                "(mlflow-xfer doctor shows both), or repeat the search command to go on with what is here.",
            )
    finally:
        job.close()


def only_name(storage: str) -> str:
    """The name of the only search that there is where journals lie by default.

    Raises:
        XferError: there is none or there are several, or the storage may hold any number.
    """
    if storage != "auto":
        raise XferError(
            "study_name=auto is not enough to find a search in a storage of one's own.",
            "Give study_name=… as the search command said it.",
        )
    folder = home() / "studies"
    names = sorted(Path(path).stem for path in folder.glob("*.log"))
    if len(names) != 1:
        there = f"There are {len(names)}: {', '.join(names[:20])}." if names else "There is none."
        raise XferError(
            f"Which search? {there}",
            f"Searches of this machine lie in {folder}. Give study_name=…, and storage=… for one that lies "
            "elsewhere.",
        )
    return names[0]
