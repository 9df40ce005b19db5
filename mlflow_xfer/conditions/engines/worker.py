"""A worker process of the local engine: runs one phase after the other, as its driver says.

It reads lines from standard input and answers on what was standard output; what libraries print goes to
standard error. When its driver dies, its input ends, and it ends as if it were told to.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import threading
import time
from queue import SimpleQueue
from typing import Any, TextIO

from mlflow_xfer import logs
from mlflow_xfer.conditions.engines import messages
from mlflow_xfer.conditions.engines.engine import Event, Handle
from mlflow_xfer.conditions.engines.work import Stopped, carried_out, ends, import_all, opened, stopped
from mlflow_xfer.errors import TRY_AGAIN, XferError
from mlflow_xfer.tracking.store import Store

logger = logging.getLogger(__name__)

GRACE = 30.0  # seconds that a phase has to save its state when its worker is asked to end


class Worker:
    """What the process is doing. ``told`` holds what the driver said and was not yet done, ``unwanted`` what
    it took back before it was begun."""

    def __init__(self, answers: TextIO):
        self.answers = answers
        self.told: SimpleQueue[dict[str, Any] | None] = SimpleQueue()
        self.current = ""  # spec hash of the phase that runs
        self.unwanted: set[str] = set()
        self.ending = False

    def listen(self) -> None:
        """Read what the driver says, until it says no more."""
        for line in sys.stdin:
            said = json.loads(line)
            if said["say"] != "cancel":
                self.unwanted.discard(said["handle"]["spec_hash"])
                self.told.put(said)
            elif said["spec_hash"] == self.current:
                os.kill(os.getpid(), signal.SIGTERM)
            else:
                self.unwanted.add(said["spec_hash"])
        self.ending = True
        self.told.put(None)
        if self.current:
            os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(GRACE)
        os._exit(TRY_AGAIN)

    def say(self, event: Event) -> None:
        """Say a whole line, whatever signal comes."""
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        try:
            self.answers.write(messages.event(event) + "\n")
            self.answers.flush()
        except BrokenPipeError:
            logger.error("the command of this worker process is gone: it saves its state and ends")
            with open(os.devnull, "wb") as nowhere:
                os.dup2(nowhere.fileno(), self.answers.fileno())
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})

    def stop(self, *_: Any) -> None:
        """Have the phase that runs come to its end, which is told once; while none does the driver alone ends
        the process."""
        if self.current and not ends():
            raise Stopped

    def run(self, store: Store) -> None:
        """Do what the driver says until it says no more."""
        while not self.ending:
            try:
                said = self.told.get()
                if said is not None:
                    self.phase(store, said)
            except Stopped:
                continue

    def phase(self, store: Store, said: dict[str, Any]) -> None:
        """Run one phase and say what became of it."""
        handle = Handle(**said["handle"])
        try:
            self.current = handle.spec_hash
            if handle.spec_hash in self.unwanted:
                raise Stopped
            event = carried_out(store, said, self.say)
        except Stopped:
            event = stopped(handle)
        finally:
            self.current = ""
        self.say(event)


def main() -> None:
    """What ``python -m mlflow_xfer.conditions.engines.worker`` does."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    logs.set_up()
    worker = Worker(answers)
    signal.signal(signal.SIGTERM, worker.stop)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the driver, who passes it on
    threading.Thread(target=worker.listen, name="xfer-driver", daemon=True).start()
    import_all()
    try:
        with opened(lambda: worker.ending) as store:
            worker.run(store)
    except XferError as error:
        logger.error("error: %s", error)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
