"""What a Ray task does on its node: one phase, as a worker process of this host does it.

The process that it runs in is used again: what a phase leaves behind there is put back.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any, Protocol

from mlflow_xfer import logs
from mlflow_xfer.conditions.engines import messages
from mlflow_xfer.conditions.engines.engine import Event, Failed, Finished, Handle
from mlflow_xfer.conditions.engines.work import Stopped, carried_out, ends, import_all, opened, stopped
from mlflow_xfer.errors import INTERRUPTED, XferError
from mlflow_xfer.home import home
from mlflow_xfer.phases import leftovers
from mlflow_xfer.tracking.store import Store

_swept: set[str] = set()  # homes


class Queue(Protocol):
    """What hands lines to the driver."""

    def put(self, item: str) -> None: ...


def run(told: str, where: Mapping[str, Any], queue: Queue, *inputs: str) -> str:
    """Run one phase; the line that tells what became of it, "" where an input did not come to its end.

    Args:
        told: the order, a line of :func:`mlflow_xfer.conditions.engines.messages.order`.
        where: the driver's ``folder`` and the ``environment`` that is kept out of Ray's logs.
        inputs: the lines of phases that it stands on and that were not done when it was submitted.
    """
    said, done = json.loads(told), {}
    for line in inputs:
        event = messages.read_event(json.loads(line)) if line else None
        if not isinstance(event, Finished):
            return ""
        done[event.handle.spec_hash] = event.done.run_id
    said["order"]["done"] |= done
    return messages.event(_ran(said, where, queue))


def _ran(said: dict[str, Any], where: Mapping[str, Any], queue: Queue) -> Event:
    handle = Handle(**said["handle"])
    try:
        with as_it_was():
            os.environ.update(where["environment"])
            with suppress(OSError):  # a folder of the driver's host alone
                os.chdir(where["folder"])
            signal.signal(signal.SIGTERM, _stop)
            logs.set_up()
            import_all()
            with swept() as store, telling(queue) as tell:
                event = carried_out(store, said, lambda progress: tell(messages.event(progress)))
    except (Stopped, KeyboardInterrupt):
        return stopped(handle)
    except XferError as error:
        return Failed(handle, error)
    if isinstance(event, Failed) and getattr(event.error, "exit_code", 1) == INTERRUPTED:
        return stopped(handle, event.spent)  # by the driver, who takes phases back with SIGINT
    return event


@contextmanager
def swept() -> Iterator[Store]:
    """The store; once a process, what dead ones left on this node is delivered to it, or removed."""
    first = str(home()) not in _swept
    with opened(sync=first) as store:
        if first:
            with suppress(XferError):  # a store that is away stops no phase here: that waits for it itself
                leftovers.clear(store)
            _swept.add(str(home()))
        yield store


@contextmanager
def telling(queue: Queue) -> Iterator[Callable[[str], object]]:
    """What hands lines to the driver, all of them at the end. From a thread of its own: the cores of a task
    whose main thread waits for Ray are given to the next task."""
    with ThreadPoolExecutor(1) as thread:
        yield lambda line: thread.submit(queue.put, line)


def _stop(*_: Any) -> None:
    if not ends():
        raise Stopped


@contextmanager
def as_it_was() -> Iterator[None]:
    """Put handlers of signals, environment and current folder back at the end."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    environment, folder = dict(os.environ), os.getcwd()
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        os.environ.clear()
        os.environ.update(environment)
        os.chdir(folder)
