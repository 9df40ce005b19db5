"""What a phase asks of a machine, in words: how much of it, for how long, and what would make it fit."""

from __future__ import annotations

import math
import shutil
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlflow_xfer import home
from mlflow_xfer.errors import XferError
from mlflow_xfer.params.settings import RuntimeOptions
from mlflow_xfer.phases.estimate import Cost, amount, cost, duration, needs_of, weights
from mlflow_xfer.phases.kept import kept
from mlflow_xfer.phases.machines import Machine
from mlflow_xfer.phases.needs import Needs, remedies, shape_of
from mlflow_xfer.phases.past import Past
from mlflow_xfer.phases.phase import Phase
from mlflow_xfer.reporting.columns import size

if TYPE_CHECKING:
    from mlflow_xfer.tracking.store import Store


@dataclass(frozen=True)
class Demand:
    """``needs`` of one phase and what would make it fit ``machine``; None: the model's shape is not known."""

    machine: Machine
    cost: Cost
    needs: Needs | None
    parameters: float = math.nan
    remedies: tuple[str, ...] = ()

    @property
    def fits(self) -> bool:
        return self.needs is None or self.needs.memory <= self.machine.memory

    def __str__(self) -> str:
        if self.needs is None:
            return "the shape of its model is not known: no estimate"
        time = duration(self.cost.seconds) if not math.isnan(self.cost.seconds) else "time not known"
        room = f"{size(self.needs.memory)} of {size(self.machine.memory)}"
        disk = f", disk {size(self.needs.work)}" if self.needs.work else ""
        return f"{time}, {room}{disk}{'' if self.fits else ': DOES NOT FIT'}"

    def explained(self) -> str:
        """Why it does not fit, and what would help."""
        assert self.needs is not None and not self.fits, "it does not fit"
        n = self.needs
        parts = (
            f"weights {size(n.weights)}, gradients and optimiser {size(n.states)}, "
            f"a batch {size(n.activations)}"
        )
        helps = " or ".join(self.remedies) or (
            "no single GPU holds it; train fewer of its weights, or a smaller model"
        )
        return (
            f"{amount(self.parameters)} parameters need {size(n.memory)} ({parts}); {self.machine.name} has "
            f"{size(self.machine.memory)}. What would fit: {helps}"
        )

    def as_dict(self) -> dict[str, Any]:
        seconds = None if math.isnan(self.cost.seconds) else self.cost.seconds
        found = {"machine": self.machine.name, "fits": self.fits, "seconds": seconds}
        if self.needs is None:
            return found
        about = {"parameters": self.parameters, "remedies": list(self.remedies)}
        return {**self.needs.as_dict(), **found, **about}


def demand(phase: Phase, past: Past, machine: Machine) -> Demand:
    """What ``phase`` asks of ``machine``."""
    base, found = past.base(phase), needs_of(phase, past)
    shape = shape_of(base) if base is not None else None
    if found is None or shape is None:
        return Demand(machine, cost(phase, past), None)
    help_ = () if found.memory <= machine.memory else tuple(remedies(phase, shape, found, machine))
    return Demand(machine, cost(phase, past), found, shape.parameters, help_)


def check_disk(
    phases: Iterable[Phase], store: Store, runtime: RuntimeOptions, keep: str, workers: int = 1
) -> None:
    """Refuse phases whose states and checkpoints the disk has no room for; what is not known counts nothing.

    Args:
        runtime: how they are computed, which says what a checkpoint holds.
        keep: whose weights stay; the others lie there until their transfer ends.
        workers: how many phases run at once; of several, one more transfer is under way than there are.

    Raises:
        XferError: it has less than they need.
    """
    past, phases = Past(runtime=runtime), list(phases)
    states = sorted((found.work for phase in phases if (found := needs_of(phase, past))), reverse=True)
    sizes = {phase: weights(phase, past) for phase in phases if phase.kind != "evaluate"}
    known = {phase: bytes_ for phase, bytes_ in sizes.items() if not math.isnan(bytes_)}
    passing: defaultdict[tuple[str, int | None], float] = defaultdict(float)
    for phase, bytes_ in known.items():
        if not kept(phase, keep):
            passing[_transfer(phase)] += bytes_
    under_way = workers + 1 if workers > 1 else 1
    published = sum(known.values()) - sum(sorted(passing.values(), reverse=True)[under_way:])
    wanted = {home.work(): sum(states[:workers])}
    artifacts = store.artifacts_folder()
    if artifacts is not None:
        wanted[artifacts] = published
    by_disk: dict[int, list[tuple[Path, float]]] = {}
    for folder, needed in wanted.items():
        there = next(parent for parent in (folder, *folder.parents) if parent.exists())
        by_disk.setdefault(there.stat().st_dev, []).append((there, needed))
    for places in by_disk.values():
        free, needed = shutil.disk_usage(places[0][0]).free, sum(needed for _, needed in places)
        if needed > free:
            raise XferError(
                f"The phases to run need up to {size(needed)} on the disk of {places[0][0]}, which has "
                f"{size(free)} left: resume states {size(sum(states[:workers]))}, checkpoints "
                f"{size(published) if artifacts else 'elsewhere'}.",
                "Free some of it, set XFER_HOME (or XFER_WORK) to a larger disk, or log artifacts there.",
            )


def _transfer(phase: Phase) -> tuple[str, int | None]:
    """Equal for the trainings of one transfer whose weights may go."""
    first = phase.inputs[0] if phase.kind == "target" else phase
    return (first.spec_hash if isinstance(first, Phase) else str(first), phase.seed)
