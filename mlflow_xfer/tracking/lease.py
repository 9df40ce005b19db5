"""One holder per phase: two workers that want the same phase, one trains and the other waits.

:func:`hold` is a file lock, for the processes of one host; :func:`across_hosts` is its counterpart for
workers that share nothing but the tracking store (:mod:`ledger`). Both are held, in this order: so of one
host's workers only one asks the store, and it knows that a lease of this host which nobody gave back belongs
to a dead process.
"""

from __future__ import annotations

import hashlib
import logging
import os
import socket
import uuid
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, cast

from mlflow_xfer.durable.files import write_once
from mlflow_xfer.durable.heartbeat import Heartbeat
from mlflow_xfer.durable.locks import taken
from mlflow_xfer.durable.mounts import on_network
from mlflow_xfer.durable.patience import awaited
from mlflow_xfer.durable.processes import has_ended
from mlflow_xfer.errors import TRY_AGAIN, XferError
from mlflow_xfer.home import home, work
from mlflow_xfer.tracking import endpoint, outages
from mlflow_xfer.tracking.ledger import RELEASED, Ledger, beat_tag
from mlflow_xfer.tracking.uris import sqlite_path

if TYPE_CHECKING:
    from mlflow_xfer.tracking.store import Store

log = logging.getLogger(__name__)

_POLL_SECONDS = 0.5
_LEDGER_POLL_SECONDS = 2.0


@contextmanager
def hold(
    key: str, *, timeout: float | None = None, waiting: Callable[[float], object] | None = None
) -> Iterator[None]:
    """Hold ``key`` on this host; the operating system lets go of it when its holder dies.

    Args:
        key: what to hold, e.g. ``<spec_hash>-<code_hash>``.
        timeout: seconds to wait for another holder; None waits for ever.
        waiting: called once a minute with the seconds waited so far, and once at the start of the wait.

    Raises:
        Busy: another process held it all the time.
    """
    file = lock_file(key)
    lock = awaited(lambda: taken(file), _POLL_SECONDS, seconds=timeout, told=waiting or _waiting)
    if lock is None:
        raise Busy(f"Another process of this host has held {key} for {timeout:.0f} s.")
    try:
        yield
    finally:
        lock.release()


def lock_file(key: str) -> Path:
    """The file that whoever holds ``key`` on this host has locked."""
    return _lock(home() / "locks", key)


def _lock(folder: Path, key: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{_file_name(key)}.lock"


def _waiting(seconds: float) -> None:
    log.info("Waiting for another process of this host that trains the same phase (%.0f s)", seconds)


class Busy(XferError):
    """Another process held the key for all the time that this one was to wait (exit code 75)."""

    def __init__(self, what: str):
        super().__init__(what, "Wait for it, then repeat the command.", TRY_AGAIN)


class TakenOver(XferError):
    """This worker stood still for so long that another one took its phase over (exit code 75)."""

    def __init__(self, key: str):
        super().__init__(
            "Another worker took this phase over, because this one had not been heard of for too long.",
            f"What it publishes is taken instead (lease {key[:16]}…).",
            exit_code=TRY_AGAIN,
        )


@dataclass
class Lease:
    """What its holder holds.

    Attributes:
        ledger, generation: where it is held, and how often the key had been held then; None and 0 where the
            store needs no ledger, or where nobody holds the key.
        holder: the worker, as a tag of the run that it makes.
        displaced: the dead worker that it was taken from; empty if it was free.
        held: false for a lease that nobody holds, after a wait that ended without it.
    """

    store: Store
    key: str
    ledger: Ledger | None = None
    generation: int = 0
    displaced: str = ""
    held: bool = True
    holder: str = field(init=False)

    def __post_init__(self) -> None:
        self.holder = self.ledger.worker if self.ledger else worker_id()

    def confirm(self, patience: float | None = None) -> None:
        """To be called before publishing: waits for a store that is away, as publishing does.

        Args:
            patience: seconds to wait instead; with a store that stays away the lease counts as held.

        Raises:
            TakenOver: another worker holds the key.
        """
        ledger = self.ledger
        if ledger is None:
            return
        try:
            renewed = endpoint.patiently(
                lambda: ledger.renew(self.key, self.generation), self.store.uri, log.warning, patience
            )
        except Exception as error:
            if patience is None and isinstance(error, XferError):
                raise
            log.warning(
                "Whether another worker took this phase over is not known (%s); going on",
                outages.said(error),
            )
            return
        if renewed is None:
            raise TakenOver(self.key)
        self.generation = renewed


@contextmanager
def across_hosts(
    store: Store, key: str, over: Callable[[], bool], dead: Collection[str] = ()
) -> Iterator[Lease]:
    """Hold ``key`` among all workers of a store, heartbeat included,
    once no living worker holds it or ``over()``.

    A SQLite file on this host's own disk needs no ledger: whoever reaches it is a process of this host, and
    where homes differ, it is held by a lock in the ``XFER_WORK`` that they share.

    Args:
        key: what to hold; :func:`hold` it first.
        over: asked while waiting; True ends the wait, with a lease that nobody holds.
        dead: workers that are known to hold nothing any more (:func:`dead_holder`).
    """
    lease = _wait(store, key, over, dead)
    if (ledger := lease.ledger) is None:
        with _among_homes(key, over) as free:
            yield lease if free else Lease(store, key, held=False)
        return
    beats = Heartbeat(lambda: ledger.beat(key, lease.generation), ledger.stale_seconds / 6, "xfer-lease")
    try:
        yield lease
    finally:
        beats.stop(1.0)  # a beat after the release would undo it
        store.tags(ledger.run_id(), {beat_tag(key, lease.generation): RELEASED})


@contextmanager
def _among_homes(key: str, over: Callable[[], bool]) -> Iterator[bool]:
    """Hold ``key`` in ``XFER_WORK``, where that is no part of this home; false once ``over()`` without it."""
    if work().parent == home():
        yield True
        return
    file = _lock(work() / "locks", key)
    lock = taken(file)
    while lock is None and not over():
        lock = awaited(lambda: taken(file), _POLL_SECONDS, seconds=_LEDGER_POLL_SECONDS, told=_waiting)
    try:
        yield lock is not None
    finally:
        if lock is not None:
            lock.release()


def only_here(uri: str) -> bool:
    """Whether the tracking store can be reached from this host only:
    a SQLite file that lies on its own disk.
    """
    path = sqlite_path(uri)
    return path is not None and not on_network(path)


def dead_holder(store: Store, key: str) -> str:
    """The worker of another place that holds ``key`` and has not been heard of for too long, as far as this
    process has seen: it is to ask now and then. Empty: it lives, or nobody holds the key."""
    if not store.leases or only_here(store.uri):
        return ""
    ledger = store.ledger = store.ledger or Ledger(store.client, worker_id())
    try:
        return store.ask(lambda: ledger.stood_still(key))
    except Exception as error:
        _refused(store, error)
        return ""


def _refused(store: Store, error: Exception) -> None:
    """Go on without leases where the store refuses them; raises what says that it is away."""
    if isinstance(error, XferError) and not isinstance(error, outages.Denied):
        raise error
    log.warning("Leases across machines are off, the tracking store refuses them: %s", outages.said(error))
    store.leases = False


def _wait(store: Store, key: str, over: Callable[[], bool], dead: Collection[str]) -> Lease:
    """The lease; one without generation once ``over()``, and where there is no ledger.

    A server on which this user may not write to the ledger is used without: at worst a phase is trained
    twice.
    """
    if not store.leases or only_here(store.uri):
        return Lease(store, key)
    ledger = store.ledger = store.ledger or Ledger(store.client, worker_id())
    mine = f"{place()}-"
    again = False

    def gone(holder: str) -> bool:
        return holder.startswith(mine) or holder in dead

    def look() -> Lease | None:
        nonlocal again
        if again and over():
            return Lease(store, key, held=False)
        again = True
        try:
            generation = store.ask(lambda: ledger.acquire(key, dead=gone))
        except Exception as error:
            _refused(store, error)
            return Lease(store, key)
        if generation is None:
            return Lease(store, key, held=False) if over() else None
        return Lease(store, key, ledger, generation, _displaced(store, ledger, key, generation))

    pause = min(_LEDGER_POLL_SECONDS, ledger.stale_seconds / 6)
    return cast(Lease, awaited(look, pause, told=_waiting_for_another_machine))


def _waiting_for_another_machine(seconds: float) -> None:
    log.info("Waiting for a worker on another machine that trains the same phase (%.0f s)", seconds)


def _displaced(store: Store, ledger: Ledger, key: str, generation: int) -> str:
    """The worker that held ``key`` before, if it was another one."""
    before = store.ask(lambda: ledger.holder(key, generation - 1)) if generation > 1 else ""
    return before if before != ledger.worker else ""


def worker_id() -> str:
    """A name for this process that no other process ever has; it begins with where the process runs."""
    return f"{place()}-{os.getpid()}-{uuid.uuid4().hex[:12]}"


def makes_nothing(store: Store, worker: str) -> bool:
    """Whether a worker is known not to make a phase that is not held on this host: it was of this place, or
    it was a process of this host, in another home, that has ended."""
    if worker.startswith(f"{place()}-"):
        return True
    host, _, process, _ = worker.rsplit("-", 3) if worker.count("-") >= 3 else ("", "", "", "")
    here = host == socket.gethostname() and only_here(store.uri)
    return here and process.isdecimal() and has_ended(int(process))


def place() -> str:
    """This host and this home: processes of one place share their file locks."""
    file = home() / "locks" / "place"
    if not file.exists():
        write_once(file, uuid.uuid4().hex[:8].encode())
    return f"{socket.gethostname()}-{file.read_text('utf-8')}"


def _file_name(key: str) -> str:
    """``key`` as a file name; long or odd keys by digest."""
    return (
        key
        if len(key) <= 150 and key.replace("-", "").isalnum()
        else hashlib.sha256(key.encode()).hexdigest()
    )
