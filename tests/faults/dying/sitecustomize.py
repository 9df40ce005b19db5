"""Put on the path of a command, it kills a process at a file operation: the first that comes to its operation
number ``XFER_DIE_AT``, while the file ``XFER_DIE_ONCE`` is there, which goes with it.
"""

from __future__ import annotations

import os
import signal
import sys

_AT, _ONCE = int(os.environ.get("XFER_DIE_AT", "0")), os.environ.get("XFER_DIE_ONCE", "")
_HOME = os.environ.get("XFER_HOME", "")
_CHANGING = ("os.rename", "os.link", "os.mkdir", "os.remove", "os.rmdir", "open")
_count = 0


def _counts(event: str, given: tuple) -> bool:
    """Whether it is an operation that changes a file of the command's home or store."""
    if event not in _CHANGING or not given or not isinstance(given[0], (str, os.PathLike)):
        return False
    if event == "open" and not (isinstance(given[1], str) and set(given[1]) & set("wax+")):
        return False
    return os.path.dirname(_HOME) in os.fspath(given[0])


def _watch(event: str, given: tuple) -> None:
    global _count
    if _counts(event, given):
        _count += 1
        if _count == _AT:
            try:
                os.unlink(_ONCE)
            except OSError:  # another process has died of it
                return
            os.kill(os.getpid(), signal.SIGKILL)


if _AT and _ONCE:
    sys.addaudithook(_watch)
