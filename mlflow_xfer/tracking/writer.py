"""The one thread of a process that writes to the tracking store; callers never wait for the store.

Callers append to the spool (a few microseconds). The thread follows the log: it forces it to disk
every second and delivers what is new. While the store is away it tries again, ever more rarely.
"""

from __future__ import annotations

import logging
import math
import os
import threading
import time
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

from mlflow_xfer.durable import room
from mlflow_xfer.tracking.delivery import Delivery
from mlflow_xfer.tracking.outages import said
from mlflow_xfer.tracking.spool import Spool

if TYPE_CHECKING:
    from mlflow import MlflowClient

log = logging.getLogger(__name__)

_TICK = 1.0  # seconds between deliveries
_LONGEST_TICK = 15.0
_COST = 0.01  # share of a core that delivering may take: ticks stretch when it would take more
_RETRY = (0.5, 15.0)  # first and longest pause while the store is away, seconds
_STALLED = 1800.0  # seconds without progress after which nobody waits on, whatever the thread is doing


class Writer:
    """Owns the spool and the thread."""

    def __init__(self, client: MlflowClient, spool: Spool):
        self.spool, self._delivery, self._pid = spool, Delivery(client, spool), os.getpid()
        self._wake = threading.Condition()
        self._put, self._unwritten = threading.Lock(), deque()
        self._urgent = False
        self._closing = self._over = self._left_to_thread = False
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="xfer-tracking", daemon=True)
        self._thread.start()

    def put(self, record: Mapping[str, object]) -> int | None:
        """Queue ``record``; returns its position, None while it has none. Never waits for the store.

        With a full disk, records wait in memory, and are written as soon as there is room: tracking must not
        end a training.
        """
        if os.getpid() != self._pid:
            raise RuntimeError(
                "A forked process cannot write through its parent's Store: open one in the child."
            )
        with self._put:
            self._unwritten.append(record)
            try:
                self._write()
            except OSError as error:
                if len(self._unwritten) == 1:
                    log.warning("Tracking records cannot be written to disk (%s); they wait in memory", error)
                return None
            return self.spool.size

    def _write(self) -> None:
        """Append what waits in memory to the spool; the caller holds the lock.

        Raises:
            OSError: the disk is full.
        """
        while self._unwritten:
            self.spool.append(self._unwritten[0])
            self._unwritten.popleft()

    def flush(self, position: int | None = None, patience: float = 10.0, limit: float | None = None) -> bool:
        """Wait until everything up to ``position`` (default: all so far) was delivered.

        Waits as long as the store takes records, but no longer than ``patience`` seconds after it
        went away or the disk was found full, and half an hour where nothing is seen to happen; nor longer
        than ``limit`` seconds, whatever happens. Returns whether all was delivered; what was not stays
        spooled.
        """
        if position is None and not self._unwritten:
            position = self.spool.size
        reached, moved, away_since = self.spool.offset, time.monotonic(), None
        deadline = math.inf if limit is None else moved + limit
        with self._wake:
            while not self._delivered(position) and self._thread.is_alive():
                self._urgent = True
                self._wake.notify_all()
                self._wake.wait(0.05 if self._error is None else 0.25)
                now = time.monotonic()
                if self.spool.offset != reached:
                    reached, moved = self.spool.offset, now
                away_since = (away_since or now) if self._error is not None else None
                if now - (away_since or now) > patience or now - moved > _STALLED or now > deadline:
                    break
        return self._delivered(position)

    def _delivered(self, position: int | None) -> bool:
        """Whether the store has everything up to ``position``; None: all, what waits in memory included."""
        if position is None:
            return not self._unwritten and self.spool.offset >= self.spool.size
        return self.spool.offset >= position

    def close(self, patience: float = 10.0, limit: float | None = None) -> int:
        """Deliver what can be delivered, end the thread; returns how many records were not delivered.

        Args:
            patience, limit: seconds, as of :meth:`flush`.
        """
        begun = time.monotonic()
        self.flush(patience=patience, limit=limit)
        with self._wake:
            self._closing = True
            self._delivery.stop()
            self._wake.notify_all()
        left = 30.0 if limit is None else max(limit - (time.monotonic() - begun), 0.1)
        self._thread.join(timeout=left)
        with suppress(OSError):
            self.spool.sync()
        if self._unwritten:
            log.warning(
                "%d tracking records are lost: the disk of %s is full. Make room and repeat the command.",
                len(self._unwritten),
                self.spool.path,
            )
        left = self.spool.undelivered() + len(self._unwritten)
        with self._wake:
            self._left_to_thread = not self._over  # it hangs in a request and uses the spool's files
            if self._left_to_thread:
                self.spool.end()
        if not self._left_to_thread:
            self.spool.close(remove=left == 0)
        return left

    def _run(self) -> None:
        pause, retry = _TICK, _RETRY[0]
        while self._pause(pause):
            started = time.thread_time()
            try:
                self._tick()
                failed = None
            except Exception as error:  # the store is away, or the disk is full: training must not notice
                failed = error
            with self._wake:
                if failed is not None and self._error is None:
                    what = "The disk is full" if room.is_full(failed) else "Tracking store away"
                    log.warning("%s (%s); records are kept in %s", what, said(failed, 200), self.spool.path)
                if failed is None and self._error is not None:
                    log.warning("What was kept has been delivered")
                self._error = failed
                self._wake.notify_all()
            if failed is None:
                retry = _RETRY[0]
                pause = min(max(_TICK, (time.thread_time() - started) / _COST), _LONGEST_TICK)
            else:
                pause, retry = retry, min(2 * retry, _RETRY[1])
        with self._wake:
            self._over = True
            if self._left_to_thread:
                self.spool.close(remove=not self.spool.undelivered())

    def _tick(self) -> None:
        with self._put:
            self._write()
        if self.spool.offset < self.spool.size:
            self.spool.sync()
        while self.spool.offset < self.spool.size and self._delivery.step():
            pass

    def _pause(self, seconds: float) -> bool:
        """Sleep until the next tick, or until somebody waits; False when the thread is to end."""
        now = time.monotonic()
        deadline, soonest = now + seconds, now + (0.0 if self._error is None else _RETRY[0])
        with self._wake:
            while not self._closing:
                left = (soonest if self._urgent else deadline) - time.monotonic()
                if left <= 0:
                    break
                self._wake.wait(left)
            self._urgent = False
            return not self._closing
