"""Optuna's journal file, made to survive the death of any of its writers at any moment."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileSymlinkLock
from optuna.storages.journal._file import BaseJournalFileLock

from mlflow_xfer.durable.locks import taken
from mlflow_xfer.durable.mounts import on_network
from mlflow_xfer.errors import XferError

SQLITE = b"SQLite format 3\x00"


class SystemLock(BaseJournalFileLock):
    """The operating system's lock: free as soon as its holder dies.
    Optuna's own, a file, outlives it by 30 s.
    """

    def __init__(self, path: Path):
        self._path, self._lock = path, None

    def acquire(self) -> bool:
        self._lock = taken(self._path, -1)
        return True

    def release(self) -> None:
        if self._lock is not None:
            self._lock.release()


class Backend(JournalFileBackend):
    """Removes the half line of a writer that died in it (full disk, power cut): nobody has read it.

    Without that the next line is glued to it, and nobody can read the file any more.
    """

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        self._lock.acquire()
        try:
            with open(self._file_path, "rb+") as file:
                _drop_half_line(file)
                file.seek(0, os.SEEK_END)
                file.write("".join(json.dumps(log, separators=(",", ":")) + "\n" for log in logs).encode())
                file.flush()
                os.fsync(file.fileno())
        finally:
            self._lock.release()


def _drop_half_line(file: Any) -> None:
    end = file.seek(0, os.SEEK_END)
    position = end
    while position:
        begin = max(position - 4096, 0)
        file.seek(begin)
        newline = file.read(position - begin).rfind(b"\n")
        if newline >= 0:
            position = begin + newline + 1
            break
        position = begin
    if position < end:
        file.truncate(position)


def open_journal(path: Path) -> JournalStorage:
    """The storage in the file ``path``, which need not exist.

    On a network file system the lock is Optuna's symbolic link, which works there; elsewhere the system's.

    Raises:
        XferError: the file is something else, or damaged.
    """
    leases = path.with_name(f"{path.name}.leases")
    leases.mkdir(exist_ok=True)
    _check(path)
    lock = JournalFileSymlinkLock(str(path)) if on_network(path) else SystemLock(leases / "journal.lock")
    try:
        return JournalStorage(Backend(str(path), lock_obj=lock))
    except (ValueError, KeyError) as error:
        raise XferError(
            f"The journal {path} is damaged: {error}",
            f"Line {_bad_line(path)} cannot be read. Restore the file from a backup, or name another one.",
        ) from error


def _check(path: Path) -> None:
    if not path.exists():
        return
    with path.open("rb") as file:
        first = file.readline(1_000_000)
    if first.startswith(SQLITE):
        raise XferError(
            f"The storage {path} is a SQLite database, no journal.",
            f"If it is Optuna's, name it sqlite:///{path}; else name another file.",
        )
    if not first.endswith(b"\n"):
        if first:  # a journal's first line is whole; one that is not may be anything
            raise _foreign(path)
        return
    try:
        known = {"op_code", "worker_id"} <= json.loads(first).keys()
    except (ValueError, AttributeError):
        known = False
    if not known:
        raise _foreign(path)


def _foreign(path: Path) -> XferError:
    return XferError(
        f"The storage {path} is no journal of Optuna.",
        "Name another file: a new one, or one that a search has made. Nothing was written to it.",
    )


def _bad_line(path: Path) -> int:
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                json.loads(line)
            except ValueError:
                return number
    return 0
