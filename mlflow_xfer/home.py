"""Where local state lies: data caches, fetched checkpoints, resume state and the tracking spool."""

from __future__ import annotations

import os
from pathlib import Path


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
