"""Targets of a kind that the makers of the base model trained it on: their cells carry ``base-seen``."""

from __future__ import annotations

from mlflow_xfer.phases.phase import BaseModel, FinishedRun, Phase
from mlflow_xfer.tasks.seen import seen_of
from mlflow_xfer.tracking.results import BASE_SEEN

SEEN_TAG = "xfer.base_seen"
"""On every run of a chain: what the makers of its base trained it on."""


def seen_behind(phase: Phase) -> tuple[str, ...]:
    """What the makers of the base behind ``phase`` trained it on; a random encoder has nothing of it."""
    if phase.controlled:
        return ()
    root = phase.root()
    if isinstance(root, BaseModel):
        return root.seen
    said = root.marks.get(SEEN_TAG, "") if isinstance(root, FinishedRun) else ""
    return tuple(filter(None, said.split(",")))


def marks(evaluation: Phase) -> dict[str, str]:
    """A column for every score of an evaluation whose task the base's makers trained on."""
    met = seen_of(evaluation.tasks[0], seen_behind(evaluation))
    return {BASE_SEEN: "+".join(met)} if met else {}
