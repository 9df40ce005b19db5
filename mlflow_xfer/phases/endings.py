"""How runs of phases end, whoever ends them, and which run a work folder belongs to."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from mlflow_xfer.durable.files import write_json
from mlflow_xfer.durable.locks import taken
from mlflow_xfer.errors import TRY_AGAIN, XferError, is_interruption
from mlflow_xfer.phases.phase import Phase
from mlflow_xfer.tracking import drivers, spool
from mlflow_xfer.tracking.lease import Lease, TakenOver, lock_file, makes_nothing
from mlflow_xfer.tracking.runs import RunView
from mlflow_xfer.training.parts import Displaced

if TYPE_CHECKING:
    from mlflow_xfer.tracking.store import Store

HELD = "run.json"
HOLDER_TAG = "xfer.holder"
DIED = "the process that made it ended before it did"
TAKEN = "its worker was not heard of any more; another one took the phase over"


@contextmanager
def ending(store: Store, run_id: str, holder: str = "") -> Iterator[None]:
    """End the run as what happens inside says:
    FINISHED, FAILED, or KILLED if interrupted (then it can be resumed).

    A run that another than its ``holder`` goes on in by now is left to that one.
    """
    with ended_if_it_fails(store, run_id, holder):
        yield
    store.finish(run_id, "FINISHED")


@contextmanager
def ended_if_it_fails(store: Store, run_id: str, holder: str = "") -> Iterator[None]:
    """End the run, as :func:`ending` does, if what happens inside does not come to its end."""
    try:
        yield
    except (TakenOver, Displaced) as error:
        if store.get(run_id).tags.get(HOLDER_TAG, "") == holder:
            end_failed(store, run_id, error)
        raise
    except BaseException as error:
        end_failed(store, run_id, error)
        raise


def end_failed(store: Store, run_id: str, error: BaseException) -> None:
    """End a run that ``error`` kept from its end."""
    store.tags(run_id, {"xfer.error": str(error)[:500] or type(error).__name__})
    if is_interruption(error):  # whoever ends processes waits for none: what is not sent is sent later
        store.finish(run_id, "KILLED", limit=0.0)
    else:
        store.finish(run_id, "FAILED")


def end_abandoned(store: Store, phase: Phase, code: str, lease: Lease, but: Collection[str | None]) -> None:
    """End the runs of this phase that dead workers left running, all ``but`` those that its holder goes on
    in, before it opens another one."""
    if lease.ledger and not lease.displaced:  # nobody died who held it
        return
    hashes = {"xfer.kind": "phase", "xfer.spec_hash": phase.spec_hash, "xfer.code_hash": code}
    for run in store.search(hashes, status="RUNNING"):
        holder = run.tags.get(HOLDER_TAG, "")
        if run.run_id in but or not holder:
            continue
        if holder == lease.displaced:
            drivers.end(store, run.run_id, TAKEN)
        elif makes_nothing(store, holder):
            drivers.end(store, run.run_id, DIED)


def is_left(store: Store, run: RunView, end: bool = False) -> bool:
    """Whether a worker that has died left the run of a phase RUNNING, as far as this host knows.

    Args:
        end: end it then.
    """
    if not makes_nothing(store, run.tags.get(HOLDER_TAG, "")):
        return False
    lock = taken(lock_file(f"{run.tags['xfer.spec_hash']}-{run.tags['xfer.code_hash']}"))
    if lock is None:
        return False
    try:  # it may have ended since it was looked up
        left = not spool.waits_anywhere(run.run_id) and store.get(run.run_id).status == "RUNNING"
        if left and end:
            drivers.end(store, run.run_id, DIED)
        return left
    finally:
        lock.release()


def hold_run(work: Path, run_id: str) -> None:
    """Note in the phase's work folder which run it belongs to, so that a resume reopens that run."""
    write_json(work / HELD, {"run_id": run_id})


def run_held(work: Path) -> str | None:
    """The run that the work folder belongs to; None where no note of it is left whole."""
    try:
        return str(json.loads((work / HELD).read_text())["run_id"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def held_run(store: Store, work: Path, states: Sequence[str]) -> str | None:
    """The run of an interrupted holder, if this store still has it, as this phase's, in one of ``states``."""
    held = run_held(work)
    try:
        run = store.get(held) if held else None
    except XferError as error:
        if error.exit_code == TRY_AGAIN:  # an outage says nothing about the run
            raise
        return None
    if run is None:
        return None
    same = work.name.startswith(f"{run.tags.get('xfer.spec_hash')}-")
    return run.run_id if same and run.status in states and not run.deleted else None
