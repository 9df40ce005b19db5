"""Weights that are to go when they were evaluated. Their run says so from its beginning, so that what a
killed command did not drop is dropped by the one that goes on from it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from mlflow_xfer.phases import kept
from mlflow_xfer.phases.phase import Phase
from mlflow_xfer.tracking import checkpoints

if TYPE_CHECKING:
    from mlflow_xfer.phases.execute import Executor
    from mlflow_xfer.tracking.runs import RunView
    from mlflow_xfer.tracking.session import Session

log = logging.getLogger(__name__)

ABOVE = 10  # a phase stands some four runs below its command's


def marks(phase: Phase, keep: str) -> dict[str, str]:
    """Tags of the run of a phase that is made under this ``keep``."""
    return {} if kept.kept(phase, keep) else {checkpoints.UNTIL: checkpoints.EVALUATED}


def settle(executor: Executor, root: str) -> None:
    """At the end of a command: drop the weights of its own phases that were to go and are still there, and
    keep what it took from others and is to keep.

    Args:
        root: the command's run.
    """
    store, used = executor.store, {done.run_id for done in executor.done.values()}
    for run in left(store):
        if executor.keep == "all":
            if run.run_id in used:
                store.tags(run.run_id, {checkpoints.UNTIL: ""})
        elif root in above(store, run):
            checkpoints.drop(store, run.run_id)
            log.debug("%s: its weights, left by a command that was killed, are dropped", run.name)


def left(store: Session) -> list[RunView]:
    """The finished phase runs whose weights were to go, and did not yet."""
    wanted = {"xfer.kind": "phase", checkpoints.UNTIL: checkpoints.EVALUATED}
    return store.search(wanted, status="FINISHED")


def above(store: Session, run: RunView) -> set[str]:
    """The runs that a run is a part of: its parent's, and theirs."""
    found: set[str] = set()
    parent = run.parent
    while parent and parent not in found and len(found) < ABOVE:
        found.add(parent)
        parent = store.get(parent).parent
    return found
