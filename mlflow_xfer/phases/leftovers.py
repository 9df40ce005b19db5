"""What killed commands left on this host's disk: swept by the next command that writes to the same store."""

from __future__ import annotations

import logging
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from mlflow_xfer.durable.files import discard, sweep
from mlflow_xfer.durable.locks import taken
from mlflow_xfer.errors import TRY_AGAIN, XferError
from mlflow_xfer.home import home, work
from mlflow_xfer.phases.endings import run_held
from mlflow_xfer.tracking import drivers
from mlflow_xfer.tracking.lease import lock_file

if TYPE_CHECKING:
    from mlflow_xfer.tracking.runs import RunView
    from mlflow_xfer.tracking.store import Store

logger = logging.getLogger(__name__)

STALE_S = 24 * 3600.0  # files that another host began are left alone for so long
_DEEP = ("*", "*/*")
"""Folders of a home in which something is written beside its place: checkpoints, caches, spools, states."""


def clear(store: Store) -> None:
    """Remove files that dead processes began, their locks, and the states of phases that are published."""
    for folder in {home(), work(), *(path for deep in _DEEP for path in home().glob(deep) if path.is_dir())}:
        sweep(folder, STALE_S)
    for file in (home() / "locks").glob("driver-*.lock"):
        with suppress(OSError):  # another command sweeps, too
            drivers.is_dead(file.stem.removeprefix("driver-"))
    for folder in work().glob("*-*"):
        _clear_phase(store, folder)


def _clear_phase(store: Store, folder: Path) -> None:
    """Remove the states of a phase whose run has finished; not of other stores, or of what can go on."""
    run_id = run_held(folder)
    if run_id is None or (lock := taken(lock_file(folder.name))) is None:
        return
    try:
        run = store.get(run_id)
        if run.status == "FINISHED" or _finished_elsewhere(store, run):
            logger.debug("Removing the states of run %s, whose phase has finished", run_id)
            discard(folder)
    except XferError as error:
        if error.exit_code == TRY_AGAIN:
            raise
    finally:
        lock.release()


def _finished_elsewhere(store: Store, run: RunView) -> bool:
    """Whether another machine took the phase of a run over that was ended, and brought it to its end. Of
    states that machines share it is not asked: one may be going on from them."""
    if work().parent != home() or run.status == "RUNNING":
        return False
    hashes = {name: run.tags.get(name, "") for name in ("xfer.spec_hash", "xfer.code_hash")}
    finished = store.search({"xfer.kind": "phase", **hashes}, status="FINISHED")
    return any((one.end_time or 0) > run.start_time for one in finished)
