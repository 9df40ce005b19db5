"""One phase, run in this process: what every engine has done in the end."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping

from mlflow_xfer.conditions.engines.engine import Finished, Handle, Order
from mlflow_xfer.phases.execute import Done, Executor
from mlflow_xfer.phases.phase import Phase
from mlflow_xfer.tracking.store import Store

Watch = Callable[[Phase, Mapping[str, float], int], None]


def executor_of(store: Store, order: Order, watch: Watch | None = None) -> Executor:
    """An executor as the order says, which takes the runs of the phase's inputs as they are."""
    executor = Executor(
        store,
        order.reuse,
        order.suite,
        order.runtime,
        watch,
        wait=order.wait,
        place=lambda phase: order.place,
        left=order.left,
    )
    executor.done |= {spec_hash: Done(run_id, "reused") for spec_hash, run_id in order.done.items()}
    return executor


def brought_about(executor: Executor, handle: Handle, phase: Phase, order: Order) -> Finished:
    """Take, resume or make ``phase``; all that it logged is in the store afterwards."""
    done = executor.ensure(phase, parent=order.parent)
    executor.store.settle()
    return Finished(handle, done, tuple(executor.spent))


@contextlib.contextmanager
def threads(cores: int) -> Iterator[None]:
    """Compute with so many threads inside; 0: with as many as before."""
    if not cores:
        yield
        return
    from mlflow_xfer.training import devices

    with devices.threads(cores):
        yield
