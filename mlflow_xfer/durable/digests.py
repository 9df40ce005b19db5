"""sha256 of files, computed once per state of a file, and of several digests."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from mlflow_xfer.durable.files import write_whole
from mlflow_xfer.errors import XferError
from mlflow_xfer.home import home

SETTLED_S = 2.0  # a file younger than this may change again within one tick of the clock: not remembered
CHUNK = 1 << 20

_known: dict[tuple, str] = {}


def file_digest(path: str | Path) -> str:
    """sha256 (hex) of the bytes of ``path``.

    Remembered by path, size and time stamps, in this process and under ``home()``. The time of the last
    change of status counts too: it moves when an edit keeps the time of modification.

    Raises:
        XferError: the file cannot be read.
    """
    path = Path(os.path.abspath(path))
    try:
        state = path.stat()
        key = (str(path), state.st_size, state.st_mtime_ns, state.st_ctime_ns)
        if key in _known:
            return _known[key]
        note = (
            home()
            / "identity"
            / f"{hashlib.sha256(str(path).encode('utf-8', 'surrogateescape')).hexdigest()[:32]}.json"
        )
        digest = _remembered(note, key)
        if digest is None:
            digest = _computed(path)
            if time.time() - max(key[2], key[3]) / 1e9 < SETTLED_S:
                return digest
            with suppress(OSError):  # a read-only home costs time, not the run
                write_whole(note, json.dumps({"key": key, "sha256": digest}).encode())
        _known[key] = digest
        return digest
    except OSError as error:
        raise XferError(
            f"{path}: cannot be read ({error.strerror or error}).", "Check the path and its permissions."
        ) from None


def combined(parts: Iterable[str]) -> str:
    """One sha256 (hex) for several digests or declarations, in their order."""
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _remembered(note: Path, key: tuple) -> str | None:
    try:
        content = json.loads(note.read_bytes())
        return content["sha256"] if content["key"] == list(key) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _computed(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
