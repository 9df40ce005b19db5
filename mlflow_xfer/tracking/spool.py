"""The on-disk queue of what is still to be sent to the tracking store.

One folder per writing process, ``home()/spool/<store>/<host>-<pid>-<random>/``::

    owner.lock   held while the process lives; whoever can take it may replay the folder
    owner.json   tracking URI (only if it holds no credentials), host, process
    log.jsonl    one record per line, append-only
    offset       how many bytes of the log were delivered
    files/       copies of queued artifacts
    rejected.jsonl  records that the store refused for good, with its reason
    ended        there once nobody logs into it any more: whoever holds it then delivers what is left

A record is written with one ``write`` before the caller goes on, so a killed process loses nothing;
the writer calls ``fsync`` every second, so a machine that loses power loses about that much.
A torn last line is ignored; so are unreadable lines, which can only follow a disk fault.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import socket
import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from mlflow_xfer.durable.files import whole_folder
from mlflow_xfer.durable.locks import Lock, taken
from mlflow_xfer.home import home
from mlflow_xfer.tracking.endpoint import store_key
from mlflow_xfer.tracking.names import redact

ENDED = "ended"
_COPY_BYTES = (
    64 * 2**20
)  # larger artifacts are hard-linked: their writers replace them, never edit them in place


@dataclass(frozen=True)
class Entry:
    """One record and the position in the log at which it ends (bytes)."""

    record: Mapping[str, object]
    end: int


def root() -> Path:
    return home() / "spool"


def waits(path: Path, run_id: str) -> bool:
    """Whether records of the run wait in the spool ``path``, whoever holds it."""
    try:
        with open(path / "log.jsonl", "rb") as log:
            log.seek(_offset(path))
            return any(run_id.encode() in line for line in log)
    except OSError:  # all was delivered meanwhile
        return False


def waits_anywhere(run_id: str) -> bool:
    """Whether records of the run wait in any spool of this home."""
    return any(waits(path, run_id) for path in root().glob("*/*"))


def _offset(path: Path) -> int:
    """How many bytes of the log in ``path`` were delivered."""
    try:
        return int((path / "offset").read_text(encoding="ascii") or 0)
    except (FileNotFoundError, ValueError):
        return 0  # replaying from the start is safe: delivery is idempotent


class Spool:
    """One process's queue. Appending is thread-safe; reading is for one thread."""

    def __init__(self, path: Path, lock: Lock):
        self.path, self._lock = path, lock
        self._append = threading.Lock()
        self._torn = False
        self._log = os.open(path / "log.jsonl", os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        self.size = os.fstat(self._log).st_size
        self.offset = _offset(path)
        self._offset_file = os.open(path / "offset", os.O_WRONLY | os.O_CREAT, 0o600)

    @classmethod
    def create(cls, uri: str) -> Spool:
        """A new empty spool for the tracking store ``uri``, held by this process."""
        folder = root() / store_key(uri)
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        name = f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
        # Locked under a hidden name first: a replayer that saw the folder unlocked would take it for a dead
        # process's.
        with whole_folder(folder / name, mode=0o700) as hidden:
            lock = taken(hidden / "owner.lock")
            assert lock is not None, "a folder that nobody else knows of"
            owner = {
                "host": socket.gethostname(),
                "pid": os.getpid(),
                "uri": redact(uri),
                "replayable": redact(uri) == uri,
            }
            (hidden / "owner.json").write_text(json.dumps(owner), encoding="utf-8")
        return cls(folder / name, lock)

    @classmethod
    def adopt(cls, path: Path) -> Spool | None:
        """The spool of a dead process; None while its owner lives or somebody else replays it."""
        try:
            lock = taken(path / "owner.lock")
        except OSError:
            return None
        if lock is None:
            return None
        if not (path / "owner.json").exists():  # removed by another replayer between listing and locking
            lock.release()
            return None
        adopted = cls(path, lock)
        adopted.end()
        return adopted

    def end(self) -> None:
        """Nobody logs into it any more."""
        with suppress(OSError):  # a full disk: others do not wait for what is left
            (self.path / ENDED).touch()

    def append(self, record: Mapping[str, object]) -> int:
        """Write ``record``; returns the log position at which it ends.

        Raises:
            OSError: the disk is full; nothing readable was written.
        """
        line = (json.dumps(record, separators=(",", ":")) + "\n").encode()
        with self._append:
            if self._torn:  # end the piece that a full disk left, so that it does not swallow this record
                line = b"\n" + line
            written = os.write(self._log, line)
            self.size += written
            self._torn = written != len(line)
            if self._torn:
                raise OSError(errno.ENOSPC, "no space left for tracking records", str(self.path))
            return self.size

    def keep(self, source: Path) -> str:
        """Keep a copy of the file or folder ``source``; returns its path relative to the spool."""
        kept = Path("files") / uuid.uuid4().hex[:12] / source.name
        target = self.path / kept
        target.parent.mkdir(parents=True)
        if source.is_dir():
            shutil.copytree(source, target, copy_function=_copy)
        else:
            _copy(source, target)
        return str(kept)

    def drop(self, kept: str) -> None:
        """Remove what :meth:`keep` kept."""
        shutil.rmtree((self.path / kept).parent, ignore_errors=True)

    def pending(self, limit: int = 500) -> Iterator[Entry]:
        """Up to ``limit`` undelivered records, oldest first."""
        with open(self.path / "log.jsonl", "rb") as log:
            log.seek(self.offset)
            position = self.offset
            for _ in range(limit):
                line = log.readline()
                if not line.endswith(b"\n"):
                    return
                position += len(line)
                try:
                    record = json.loads(line)
                except ValueError:
                    record = {"op": "unreadable"}
                yield Entry(record, position)

    def delivered(self, end: int) -> None:
        """Everything up to the log position ``end`` has reached the store."""
        os.pwrite(self._offset_file, f"{end:020d}".encode(), 0)
        self.offset = end

    def reject(self, record: Mapping[str, object], reason: str) -> None:
        """Set ``record`` aside: the store refused it for good."""
        with open(self.path / "rejected.jsonl", "a", encoding="utf-8") as log:
            log.write(json.dumps({**record, "reason": reason[:1000], "rejected": time.time()}) + "\n")

    def sync(self) -> None:
        """Force the log to disk."""
        os.fsync(self._log)

    def undelivered(self) -> int:
        """Records not delivered, refused ones included."""
        return sum(1 for _ in self.pending(limit=10**9)) + self.rejected()

    def rejected(self) -> int:
        try:
            return sum(1 for _ in open(self.path / "rejected.jsonl", "rb"))
        except FileNotFoundError:
            return 0

    def close(self, remove: bool) -> None:
        """Let go of the folder, and with ``remove`` delete it."""
        os.close(self._log)
        os.close(self._offset_file)
        if remove:
            shutil.rmtree(self.path, ignore_errors=True)
        self._lock.release()


def _copy(source: str | Path, target: str | Path) -> None:
    if os.stat(source).st_size > _COPY_BYTES:
        try:
            os.link(source, target)
            return
        except OSError:  # another file system
            pass
    shutil.copyfile(source, target)
