"""Files and folders that other processes see whole or not at all.

What is written grows beside its place under a name that ends in ``.partial``, and is renamed when it is done.
A process that is killed leaves that neighbour behind: :func:`sweep` removes those that nobody writes to any
more.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import socket
import stat
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from mlflow_xfer.durable.processes import has_ended
from mlflow_xfer.errors import XferError

logger = logging.getLogger(__name__)

PARTIAL = ".partial"


@contextmanager
def whole_file(path: Path, *, forced: bool = False) -> Iterator[Path]:
    """Where to write the file ``path``: it is put in place at the end, or removed if the writer fails.

    A writer that gives up removes it itself: ``path`` then stays as it is.

    Args:
        forced: force the bytes to disk first, so that a power cut leaves no file that is cut short.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = _beside(path)
    try:
        yield partial
        if partial.exists():
            if forced:
                with partial.open("rb") as file:
                    os.fsync(file.fileno())
            os.replace(partial, path)
    finally:
        with suppress(OSError):
            partial.unlink()


def write_whole(path: Path, content: bytes) -> None:
    """Write the file ``path``."""
    with whole_file(path) as partial:
        partial.write_bytes(content)


def write_json(path: Path, value: Any) -> None:
    """Write ``value`` as JSON; floats keep every bit."""
    write_whole(path, json.dumps(value, indent=1, sort_keys=True).encode())


def write_once(path: Path, content: bytes) -> None:
    """Write the file ``path`` unless it is there: of several processes one wins, with a whole file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = _beside(path)
    partial.write_bytes(content)
    try:
        os.link(partial, path)
    except FileExistsError:
        pass
    finally:
        partial.unlink()


@contextmanager
def whole_folder(path: Path, *, replace: bool = True, mode: int = 0o777) -> Iterator[Path]:
    """An empty folder to fill: it is put at ``path`` at the end, or removed if the writer fails.

    Args:
        replace: in the place of what is there; otherwise a folder that another process has put there stays.
        mode: of the folder, less the umask.
    """
    with passing_folder(path, mode) as partial:
        yield partial
        if replace:
            shutil.rmtree(path, ignore_errors=True)
        try:
            os.replace(partial, path)
        except OSError:
            if replace or not path.is_dir():
                raise


@contextmanager
def passing_folder(beside: Path, mode: int = 0o777) -> Iterator[Path]:
    """An empty folder beside a path, which is removed at the end; what a kill leaves of it is swept."""
    beside.parent.mkdir(parents=True, exist_ok=True)
    partial = _beside(beside)
    partial.mkdir(mode=mode)
    try:
        yield partial
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def check_new_folder(name: str, path: Path) -> None:
    """Raise :class:`XferError` where the folder ``path``, which the parameter ``name`` gives, cannot be made,
    or writing it would write over something."""
    try:
        there = stat.S_ISDIR(path.stat().st_mode)
    except FileNotFoundError:
        above = next(parent for parent in path.absolute().parents if parent.exists())
        try:
            with TemporaryDirectory(dir=above):  # rights alone do not tell: of /proc they say that one may
                return
        except OSError as error:
            raise _no_folder(name, path, error) from None
    except (OSError, ValueError) as error:  # below a file, a name that is too long or holds a NUL
        raise _no_folder(name, path, error) from None
    if not there or any(path.iterdir()):
        what = "the folder is not empty" if there else "a file"
        raise XferError(f"{name}={path}: there is something already: {what}.", "Name a new folder.")


def _no_folder(name: str, path: Path, error: OSError | ValueError) -> XferError:
    why = error.strerror if isinstance(error, OSError) else error
    return XferError(
        f"{name}={path}: no folder can be made there ({why}).", "Name a new folder where you may write."
    )


def discard(folder: Path) -> None:
    """Remove a folder: others see it whole or not at all, and what a kill leaves of it is swept."""
    gone = _beside(folder)
    with suppress(OSError):
        os.replace(folder, gone)
        shutil.rmtree(gone)


def sweep(folder: Path, seconds: float) -> None:
    """Remove what writers left unfinished in ``folder``: processes of this host that are dead, or others that
    have not touched it for so many seconds.
    """
    found: list[Path] = []
    with suppress(FileNotFoundError):  # the folder itself goes meanwhile
        found += folder.glob(f".*{PARTIAL}")
    for left in found:
        with suppress(OSError):
            if not _is_dead(left) and time.time() - left.stat().st_mtime <= seconds:
                continue
            logger.debug("Removing %s, which its writer left", left)
            if left.is_dir():
                shutil.rmtree(left)
            else:
                left.unlink()


def inside(folder: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """All files and links in a folder and below it, but those that go meanwhile."""
    for parent, folders, files in os.walk(folder):
        for name in (*folders, *files):
            with suppress(FileNotFoundError):
                path = Path(parent, name)
                found = path.lstat()
                if not stat.S_ISDIR(found.st_mode):
                    yield path, found


def _beside(path: Path) -> Path:
    writer = f"{socket.gethostname()[:60]}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
    return path.with_name(f".{path.name[:50]}.{writer}{PARTIAL}")


def _is_dead(partial: Path) -> bool:
    """Whether the process that began ``partial`` is known to have ended."""
    host, _, process = partial.name.rpartition("-")[0].rpartition("-")
    here = host.endswith(f".{socket.gethostname()[:60]}")
    return here and process.isdecimal() and has_ended(int(process))
