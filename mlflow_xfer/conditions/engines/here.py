"""The engine of one worker: phases run in this process, one after the other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from types import TracebackType

from mlflow_xfer.conditions.engines.engine import Event, Handle, Needs, Order
from mlflow_xfer.conditions.engines.work import Watch, brought_about, executor_of
from mlflow_xfer.phases.phase import Phase
from mlflow_xfer.tracking.store import Store


class Here:
    """Runs phases with the driver's own store; what goes wrong is raised where events are read, and ``watch``
    hears what trainings log as they log it."""

    slots = 1

    def __init__(self, store: Store, watch: Watch | None = None):
        self.store, self.watch = store, watch
        self.waiting: dict[Handle, tuple[Phase, Order, Sequence[Handle]]] = {}
        self.runs: dict[Handle, str] = {}

    def submit(self, phase: Phase, order: Order, needs: Needs, after: Sequence[Handle] = ()) -> Handle:
        handle = Handle(phase.spec_hash, phase.label)
        self.waiting[handle] = (phase, order, after)
        return handle

    def events(self) -> Iterator[Event]:
        while self.waiting:
            handle = next(iter(self.waiting))
            phase, order, after = self.waiting.pop(handle)
            executor = executor_of(self.store, order.with_runs(after, self.runs), self.watch)
            found = brought_about(executor, handle, phase, order)
            self.runs[handle] = found.done.run_id
            yield found

    def cancel(self, handle: Handle) -> None:
        self.waiting.pop(handle, None)

    def close(self) -> None:
        self.waiting.clear()

    def __enter__(self) -> Here:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
