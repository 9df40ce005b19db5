"""A file serves the workers of one host, SQLite one worker:
whoever comes second is refused before it asks for a trial.

On one host the operating system's locks say who is there. Files on a network file system can be reached from
several hosts, whose locks need not see each other; there, each host's workers keep a note fresh, and a
newcomer from another host watches for a while whether the note it finds is kept fresh.
"""

from __future__ import annotations

import itertools
import os
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from mlflow_xfer.durable.heartbeat import Heartbeat
from mlflow_xfer.durable.locks import taken
from mlflow_xfer.durable.mounts import on_network
from mlflow_xfer.errors import XferError
from mlflow_xfer.searching.place import Place

FRESH_SECONDS = 5.0


@contextmanager
def present(where: Place) -> Iterator[None]:
    """Be a worker of a search in ``where``.

    Raises:
        XferError: its file is in use by another worker (SQLite), or by workers of another host.
    """
    with ExitStack() as held:
        if where.kind == "sqlite":
            held.enter_context(_only_one(where))
        if where.path and on_network(where.path):
            held.enter_context(_only_host(where))
        yield


@contextmanager
def _only_one(where: Place) -> Iterator[None]:
    where.leases.mkdir(exist_ok=True)
    lock = taken(where.leases / "worker.lock")
    if lock is None:
        raise XferError(
            f"Another worker uses {where.shown} now: Optuna on SQLite serves one worker.",
            "Wait for it, or begin the search with storage=auto (a journal file; several workers on one "
            "host) or storage=postgresql://… (several hosts).",
        )
    try:
        yield
    finally:
        lock.release()


@contextmanager
def _only_host(where: Place) -> Iterator[None]:
    folder = where.leases / "hosts"
    folder.mkdir(parents=True, exist_ok=True)
    here = socket.gethostname()
    if living := _watched([note for note in folder.iterdir() if note.name != here]):
        raise XferError(
            f"Workers on {', '.join(living)} use {where.shown} now: a file serves the workers of one host.",
            "Keep the search in a database instead, for any number of hosts: "
            "storage=postgresql://user:password@host/database.",
        )
    count = itertools.count()

    def freshen() -> None:
        (folder / here).write_text(f"{os.getpid()} {next(count)}", "utf-8")

    with suppress(OSError):  # the file system is away: workers notice that themselves
        freshen()
    beats = Heartbeat(freshen, FRESH_SECONDS, "xfer-host")
    try:
        yield
    finally:
        beats.stop()


def _watched(notes: list[Path]) -> list[str]:
    """Of other hosts' notes, the names of those that are kept fresh."""
    if not notes:
        return []
    before = {note: note.read_text("utf-8") for note in notes}
    time.sleep(2.5 * FRESH_SECONDS)
    return sorted(note.name for note in notes if note.read_text("utf-8") != before[note])
