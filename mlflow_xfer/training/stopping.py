"""Signals that stop a training: noted when they come, acted on when the step is complete."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Any


class Signals:
    """Within this context SIGTERM and SIGINT set ``caught``; a second SIGINT interrupts at once.

    Only the main thread may take signals: in another one nothing is ever caught.
    """

    def __init__(self) -> None:
        self.caught: int | None = None
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Signals:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                self._before[number] = signal.signal(number, self._catch)
        return self

    def _catch(self, number: int, frame: FrameType | None) -> None:
        if number == signal.SIGINT and self.caught == number:
            raise KeyboardInterrupt
        self.caught = number

    def pass_on(self) -> None:
        """To be called where what ran within came to its end all the same: the signal is for the handler of
        before, so that what comes next does not begin."""
        if self.caught is not None:
            signal.raise_signal(self.caught)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
