"""The command's handler of SIGTERM beside Ray, which takes the signal and what handlers raise for itself."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def handlers_kept() -> Iterator[None]:
    """Ray takes SIGTERM for itself when it starts: the command's own handler is put back, and is told of one
    that came meanwhile."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    except SystemExit:
        signal.signal(signal.SIGTERM, before)
        signal.raise_signal(signal.SIGTERM)
        raise
    finally:
        if signal.getsignal(signal.SIGTERM) is not signal.SIG_IGN:
            signal.signal(signal.SIGTERM, before)


@contextmanager
def as_raised() -> Iterator[None]:
    """Within, what the command's handler of SIGTERM raises is what is raised: within its calls Ray puts a
    SystemExit of its own, with another exit code, in the place of the handler's."""
    before, raised = signal.getsignal(signal.SIGTERM), []
    if not callable(before) or threading.current_thread() is not threading.main_thread():
        yield
        return

    def noted(number: int, frame: FrameType | None) -> None:
        try:
            before(number, frame)
        except SystemExit as error:
            raised.append(error)
            raise

    signal.signal(signal.SIGTERM, noted)
    try:
        yield
    except SystemExit:
        if raised:
            raise raised[0] from None
        raise
    finally:
        if signal.getsignal(signal.SIGTERM) is noted:
            signal.signal(signal.SIGTERM, before)
