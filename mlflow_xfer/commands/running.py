"""What all verbs stand on while they run: their name in the environment, and an open store."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from typing import TYPE_CHECKING

from mlflow_xfer.errors import TRY_AGAIN, XferError, is_interruption

if TYPE_CHECKING:
    from mlflow_xfer.tracking.store import Store

VERB = "XFER_VERB"  # what plugin/run_context.py reads, in this process and those that it starts
ENDING_S = 10.0
"""How long a process that was told to end waits for a store that hangs: schedulers kill after 30 s."""


class Preempted(SystemExit):
    """SIGTERM: the scheduler wants the machine back. Runs are ended, and the same command goes on in them; a
    program that does nothing about it ends with 75."""

    def __init__(self) -> None:
        super().__init__(TRY_AGAIN)


@contextmanager
def preemptible() -> Iterator[None]:
    """Within, SIGTERM raises :class:`Preempted`, once; a handler of the caller's own stays."""
    mine = (
        threading.current_thread() is threading.main_thread()
        and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    )
    if mine:
        signal.signal(signal.SIGTERM, _on_sigterm)
    try:
        yield
    finally:
        if mine:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _on_sigterm(*_: object) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # what ends runs is not to be cut off by the next one
    raise Preempted


@contextmanager
def running(verb: str) -> Iterator[None]:
    """While it lasts MLflow tags every run as made by ``verb``, and logs nothing by itself; SIGTERM ends its
    runs."""
    before = os.environ.get(VERB)
    os.environ[VERB] = verb
    try:
        with without_autologging(), preemptible():
            yield
    finally:
        if before is None:
            os.environ.pop(VERB, None)
        else:
            os.environ[VERB] = before


def end_job(error: XferError) -> None:
    """End the run that a job starter opened (``$MLFLOW_RUN_ID``) for a command that was refused before it
    became that run: nobody else would."""
    if not os.environ.get("MLFLOW_RUN_ID") or is_interruption(error):
        return
    from mlflow_xfer.phases.endings import end_failed
    from mlflow_xfer.tracking import job

    with suppress(Exception), opened(probe=False, make=False) as store:  # what was refused is what is said
        if run_id := job.take(store):
            end_failed(store, run_id, error)


def without_autologging() -> AbstractContextManager[None]:
    """MLflow's autologging suspended: it would log what trains inside to the caller's active run, or to new
    runs of its own."""
    autologging = sys.modules.get("mlflow.utils.autologging_utils")
    if autologging is None or autologging._AUTOLOGGING_GLOBALLY_DISABLED:  # MLflow's own would switch it on
        return nullcontext()
    return autologging.disable_autologging()


@contextmanager
def opened(probe: bool = True, make: bool = True) -> Iterator[Store]:
    """An open store; what could not be delivered at the end is an error, and stays on disk.

    Args:
        probe: check that artifacts can be written; a verb that only reads needs no such right.
        make: make a database and an experiment where there is none.
    """
    from mlflow_xfer.phases import leftovers
    from mlflow_xfer.tracking.recorder import undelivered
    from mlflow_xfer.tracking.store import Store

    store = Store.open(probe=probe, make=make)
    try:
        if probe and make:
            leftovers.clear(store)
        yield store
    except BaseException as error:
        store.close(limit=ENDING_S if is_interruption(error) else None)
        raise
    left = store.close()
    if left:
        raise undelivered(f"what was logged ({left} records)")
