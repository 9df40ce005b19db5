"""One phase, run in this process: what every engine has done in the end."""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from mlflow_xfer.conditions.engines import messages
from mlflow_xfer.conditions.engines.engine import Event, Failed, Finished, Handle, Held, Order, Progress
from mlflow_xfer.durable.patience import retried, server_patience
from mlflow_xfer.errors import TRY_AGAIN, XferError, is_interruption
from mlflow_xfer.phases.execute import Executor
from mlflow_xfer.phases.make import Done, Spent
from mlflow_xfer.phases.phase import Phase
from mlflow_xfer.tracking.lease import Busy
from mlflow_xfer.tracking.store import Store
from mlflow_xfer.training.parts import Interrupted

logger = logging.getLogger(__name__)

Watch = Callable[[Phase, Mapping[str, float], int], None]


def opened(unwanted: Callable[[], bool] = lambda: False, sync: bool = False) -> Store:
    """The store that the driver uses. One that is away is waited for, as the driver waits for it.

    Args:
        unwanted: whether nothing waits for it any more.
        sync: whether what dead processes left is delivered to it.
    """
    limit = server_patience()
    return retried(
        lambda: Store.open(sync=sync, probe=False),
        limit,
        passing=lambda error: getattr(error, "exit_code", None) == TRY_AGAIN and not unwanted(),
        over=lambda error: error,
        told=lambda: logger.warning("The tracking store is away; waiting for it up to %.0f s.", limit),
    )


def executor_of(store: Store, order: Order, watch: Watch | None = None) -> Executor:
    """An executor as the order says, which takes the runs of the phase's inputs as they are."""
    executor = Executor(
        store,
        order.reuse,
        order.suite,
        order.runtime,
        watch,
        wait=order.wait,
        dead=order.dead,
        place=lambda phase: order.place,
        left=order.left,
        keep=order.keep,
    )
    executor.done |= {spec_hash: Done(run_id, "reused") for spec_hash, run_id in order.done.items()}
    return executor


def brought_about(executor: Executor, handle: Handle, phase: Phase, order: Order) -> Finished:
    """Take, resume or make ``phase``; all that it logged is in the store afterwards."""
    done = executor.ensure(phase, parent=order.parent)
    executor.store.settle()
    return Finished(handle, done, tuple(executor.spent))


class Stopped(BaseException):
    """SIGTERM: the phase is not wanted any more, or the process is to end."""


def ends() -> bool:
    """Whether what this process runs comes to its end already, because it was told to: it is not to be told
    twice. What sends SIGTERM to a group of processes often does."""
    error = sys.exc_info()[1]
    return error is not None and is_interruption(error)


def stopped(handle: Handle, spent: Sequence[Spent] = ()) -> Failed:
    """What becomes of a phase that was stopped."""
    return Failed(handle, XferError(f"{handle.label} was stopped.", exit_code=TRY_AGAIN), tuple(spent))


def was_stopped(event: Event) -> bool:
    """Whether a phase ended because its process was told to stop it."""
    return isinstance(event, Failed) and str(event.error) == str(stopped(event.handle).error)


def carried_out(store: Store, said: dict[str, Any], say: Callable[[Progress], object]) -> Event:
    """Run the phase that a driver ordered (:func:`mlflow_xfer.conditions.engines.messages.order`).

    Args:
        say: told of the progress of its training.
    """
    handle = Handle(**said["handle"])
    spent: list[Spent] = []

    def watch(training: Phase, metrics: Mapping[str, float], step: int) -> None:
        say(Progress(handle, step, metrics))

    try:
        phase, order, number = messages.ordered(said)
        executor = executor_of(store, order, watch)
        spent = executor.spent
        if said["code"] not in ("", here := executor.code(phase)):
            raise XferError(
                f"{phase.label}: its code is {said['code'][:12]} where it was planned and {here[:12]} here.",
                "Bring mlflow-xfer to the same version where phases are planned and where they run.",
            )
        with threads(number):
            return brought_about(executor, handle, phase, order)
    except (Stopped, KeyboardInterrupt):
        return stopped(handle, spent)
    except Busy:
        return Held(handle)
    except Exception as error:
        if isinstance(error, Interrupted) and error.exit_code == TRY_AGAIN:
            return stopped(handle, spent)
        if not isinstance(error, XferError):
            logger.exception("%s failed", handle.label)
        return Failed(handle, error, tuple(spent))


@contextlib.contextmanager
def threads(number: int) -> Iterator[None]:
    """Compute with so many threads inside; 0: with as many as before."""
    if not number:
        yield
        return
    from mlflow_xfer.training import devices

    with devices.threads(number):
        yield


def import_all() -> None:
    """What takes seconds to import, while the driver's first phases run elsewhere."""
    import datasets  # noqa: F401
    import transformers  # noqa: F401

    from mlflow_xfer.training import trainer  # noqa: F401
