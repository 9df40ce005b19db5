"""The engine of one worker: phases run in this process, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from types import TracebackType

from mlflow_xfer.conditions.engines.engine import (
    Event,
    Failed,
    Handle,
    Held,
    Needs,
    Order,
    Progress,
    dependents,
)
from mlflow_xfer.conditions.engines.work import brought_about, executor_of
from mlflow_xfer.errors import TRY_AGAIN, XferError
from mlflow_xfer.phases.phase import Phase
from mlflow_xfer.tracking.lease import Busy
from mlflow_xfer.tracking.store import Store


class Here:
    """Runs phases with the driver's own store. ``hear`` is told what trainings log as they log it, and may
    cancel the phase that runs; no event tells of that."""

    slots = 1

    def __init__(self, store: Store, hear: Callable[[Progress], object] = lambda progress: None):
        self.store, self.hear = store, hear
        self.waiting: dict[Handle, tuple[Phase, Order, Sequence[Handle]]] = {}
        self.runs: dict[Handle, str] = {}
        self.cancelled: Handle | None = None

    def submit(self, phase: Phase, order: Order, needs: Needs, after: Sequence[Handle] = ()) -> Handle:
        handle = Handle(phase.spec_hash, phase.label)
        self.waiting[handle] = (phase, order, after)
        return handle

    def events(self) -> Iterator[Event]:
        while self.waiting:
            handle = next(iter(self.waiting))
            yield self._run(handle, *self.waiting.pop(handle))

    def _run(self, handle: Handle, phase: Phase, order: Order, after: Sequence[Handle]) -> Event:
        def watch(training: Phase, metrics: Mapping[str, float], step: int) -> None:
            self.hear(Progress(handle, step, metrics))
            if self.cancelled == handle:
                raise XferError(f"{handle.label} was stopped.", exit_code=TRY_AGAIN)

        self.cancelled = None
        executor = executor_of(self.store, order.with_runs(after, self.runs), watch)
        try:
            event = brought_about(executor, handle, phase, order)
        except Busy:
            self._forget_dependents(handle)
            return Held(handle)
        except Exception as error:
            self._forget_dependents(handle)
            return Failed(handle, error, tuple(executor.spent))
        self.runs[handle] = event.done.run_id
        return event

    def _forget_dependents(self, handle: Handle) -> None:
        for other in dependents(handle, {one: after for one, (_, _, after) in self.waiting.items()}):
            del self.waiting[other]

    def cancel(self, handle: Handle) -> bool:
        if self.waiting.pop(handle, None):
            return False
        self.cancelled = handle
        return True

    def close(self) -> None:
        self.waiting.clear()

    def __enter__(self) -> Here:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
