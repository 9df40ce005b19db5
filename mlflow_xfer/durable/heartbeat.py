"""A sign of life, given by a thread of its own until it is stopped."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

log = logging.getLogger(__name__)


class Heartbeat:
    """Calls ``beat`` every so many seconds; a beat that fails is tried again at the next one.

    Args:
        beat: called in the thread.
        seconds: between two beats.
        name: of the thread.
        last: called in the thread at its end.
    """

    def __init__(
        self,
        beat: Callable[[], object],
        seconds: float,
        name: str,
        last: Callable[[], object] = lambda: None,
    ):
        self._beat, self._seconds, self._last = beat, seconds, last
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def stop(self, seconds: float = 0.0) -> None:
        """No further beat; waits up to ``seconds`` for one that is under way."""
        self._stop.set()
        self._thread.join(seconds)

    def _run(self) -> None:
        while not self._stop.wait(self._seconds):
            try:
                self._beat()
            except Exception as error:
                log.debug("A heartbeat was not recorded: %s", error)
        self._last()
