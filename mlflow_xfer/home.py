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
