"""Processes of this host."""

from __future__ import annotations

import os


def has_ended(process: int) -> bool:
    """Whether no process of this host has the number ``process``."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    except OSError:  # it is another user's
        pass
    return False
