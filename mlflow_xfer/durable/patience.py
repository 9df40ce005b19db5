"""Waiting: for something that is away and may come back, and for something that others will do."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 10.0
TOLD_EVERY = 60.0


def server_patience() -> float:
    """Seconds that a server may be away while work waits for it (``$XFER_SERVER_PATIENCE``, 600)."""
    return float(os.environ.get("XFER_SERVER_PATIENCE", 600))


def retried(
    call: Callable[[], T],
    seconds: float,
    *,
    passing: Callable[[Exception], bool],
    over: Callable[[Exception], Exception],
    told: Callable[[], object],
) -> T:
    """``call()``, repeated ever more rarely while it fails in a way that may pass, for up to ``seconds``.

    Args:
        passing: whether an error may pass; any other is raised at once.
        over: the error to raise when the time is up, from the last one.
        told: called once, before the first pause.
    """
    deadline, pause = time.monotonic() + seconds, FIRST_PAUSE
    while True:
        try:
            return call()
        except Exception as error:
            if not passing(error):
                raise
            if time.monotonic() + pause > deadline:
                raise over(error) from error
            if pause == FIRST_PAUSE:
                told()
        time.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE)


def awaited(
    look: Callable[[], T | None],
    pause: float,
    *,
    longest: float | None = None,
    seconds: float | None = None,
    told: Callable[[float], object] = lambda waited: None,
) -> T | None:
    """What ``look()`` finds, asked again and again until it is not None; None when the time is up.

    Args:
        pause: seconds between two looks; doubled each time up to ``longest``, where that is given.
        seconds: how long to wait; None: for ever.
        told: called with the seconds waited at the start of the wait and once a minute.
    """
    started, minutes = time.monotonic(), 0
    while (value := look()) is None:
        waited = time.monotonic() - started
        if seconds is not None and waited >= seconds:
            return None
        if waited >= TOLD_EVERY * minutes:
            minutes += 1
            told(waited)
        time.sleep(pause if seconds is None else min(pause, max(seconds - waited, 0.01)))
        pause = min(2 * pause, longest) if longest else pause
    return value
