"""Whose a run is that only its command's own process works on: of transfers, conditions, studies, searches
and trials.

Every such run carries its driver's name. A driver holds a lock file as long as it lives, so that any process
of its host and home can see whether it is dead; then the same command, repeated, goes on in its runs.
"""

from __future__ import annotations

import atexit
from functools import cache
from typing import TYPE_CHECKING

from mlflow_xfer.durable.locks import Lock, taken
from mlflow_xfer.home import home
from mlflow_xfer.tracking.lease import place, worker_id

if TYPE_CHECKING:
    from mlflow_xfer.tracking.runs import RunView
    from mlflow_xfer.tracking.store import Store

DRIVER = "xfer.driver"
DRIVEN = ("transfer", "condition", "study", "search", "trial")
"""Kinds of runs that have a driver."""

_held: dict[str, Lock] = {}  # by driver; let go of at the end of the process


@cache
def this_driver() -> str:
    """The name of this process as a driver; from now on it counts as alive."""
    name = worker_id()
    file = home() / "locks" / f"driver-{name}.lock"
    file.parent.mkdir(parents=True, exist_ok=True)
    lock = taken(file)
    assert lock is not None, "no other process has this name"
    _held[name] = lock
    atexit.register(file.unlink, missing_ok=True)
    return name


def is_here(driver: str) -> bool:
    """Whether it runs, or ran, on this host with this home: only then is known what became of it."""
    return driver.startswith(f"{place()}-")


def is_dead(driver: str) -> bool:
    """Whether a driver is known to have ended."""
    if not is_here(driver) or driver in _held:
        return False
    file = home() / "locks" / f"driver-{driver}.lock"
    if not file.exists():
        return True
    lock = taken(file)
    if lock is None:
        return False
    lock.release()
    file.unlink(missing_ok=True)
    return True


def held_elsewhere() -> int:
    """How many locks of this home other processes hold: of commands, of phases, of stores being made."""
    count = 0
    for file in (home() / "locks").glob("*.lock"):
        if file.stem.removeprefix("driver-") in _held:
            continue
        lock = taken(file)
        if lock is None:
            count += 1
        else:
            lock.release()
    return count


def abandoned(store: Store, kind: str, plan_hash: str, parent: str | None) -> RunView | None:
    """The newest run of that kind, plan and parent that a dead driver left RUNNING."""
    running = store.search({"xfer.kind": kind, "xfer.plan_hash": plan_hash}, status="RUNNING")
    mine = [run for run in running if (run.parent or None) == parent and is_dead(run.tags.get(DRIVER, ""))]
    return max(mine, key=lambda run: run.start_time, default=None)


def open_driven(
    store: Store,
    kind: str,
    name: str,
    *,
    tags: dict[str, str],
    params: dict[str, object] | None = None,
    parent: str | None = None,
    opened: str | None = None,
) -> str:
    """Open a run of :data:`DRIVEN` kind: the one that ``mlflow run`` opened, else the one that a dead driver
    left behind with the same plan, else a new one.

    Args:
        tags: with ``xfer.plan_hash``.
        opened: the run that ``mlflow run`` opened.
    """
    left = abandoned(store, kind, tags["xfer.plan_hash"], parent)
    if left and opened:
        end(store, left.run_id)
    run_id = opened or (left.run_id if left else None)
    own = {**tags, DRIVER: this_driver()}
    return store.start(kind, name, tags=own, params=params or {}, parent=parent, run_id=run_id)


def end(store: Store, run_id: str, why: str = "the command that made it ended before it did") -> None:
    """End a run that a dead process left behind and nobody goes on with."""
    store.tags(run_id, {"xfer.error": why})
    store.finish(run_id, "KILLED")
