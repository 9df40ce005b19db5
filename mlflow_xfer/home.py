"""Where local state lies: data caches, fetched checkpoints, resume state and the tracking spool."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from mlflow_xfer.errors import XferError


def home() -> Path:
    """``$XFER_HOME``, else ``mlflow-xfer`` in the user's cache folder; never the current folder."""
    explicit = os.environ.get("XFER_HOME")
    if explicit:
        return Path(explicit).expanduser().absolute()
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(cache).expanduser().absolute() / "mlflow-xfer"


def work() -> Path:
    """Where phases lie that are not published yet, each in a folder of its own: ``$XFER_WORK``, which several
    hosts may mount, else a folder of :func:`home`."""
    shared = os.environ.get("XFER_WORK")
    return Path(shared).expanduser().absolute() if shared else home() / "work"


def check() -> None:
    """Make :func:`home` and :func:`work`, for this user alone, and write to them.

    Raises:
        XferError: they cannot be made or written, or their disk is full.
    """
    for name, folder in (("XFER_HOME", home()), ("XFER_WORK", work())):
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder) as file:
                file.write(b"x" * 4096)
        except OSError as error:
            raise XferError(
                f"{name}={folder} cannot be used: {error.strerror or error}.",
                f"Set {name} to a folder of yours on a disk with room: caches, checkpoints and the states of "
                "trainings lie there.",
            ) from error
