"""Locks between processes of one host; the operating system lets go of them when their holder dies."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import BaseFileLock as Lock
from filelock import FileLock, Timeout


def taken(path: Path, seconds: float = 0.0) -> Lock | None:
    """The lock in the file ``path``, to be released; None if another holds it after ``seconds``.

    Args:
        seconds: how long to wait; negative: for ever.
    """
    lock = FileLock(path, thread_local=False)
    try:
        lock.acquire(timeout=seconds)
    except Timeout:
        return None
    return lock


@contextmanager
def held(path: Path, seconds: float = -1.0) -> Iterator[None]:
    """Hold the lock in the file ``path``, waited for as long as it takes.

    Args:
        seconds: how long to wait; negative: for ever.

    Raises:
        TimeoutError: another process held it all the time.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = taken(path, seconds)
    if lock is None:
        raise TimeoutError(f"another process has held {path} for {seconds:g} s")
    try:
        yield
    finally:
        lock.release()
