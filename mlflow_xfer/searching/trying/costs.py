"""What trials would have cost without sharing and pruning: what is saved is the difference."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from mlflow_xfer.phases.estimate import steps_of
from mlflow_xfer.phases.phase import Phase
from mlflow_xfer.phases.plan import Plan, Transfer, unique

COUNTERS = {"optimizer_steps": "train/optimizer_steps", "tokens": "train/tokens", "seconds": "train/seconds"}

Metrics = Callable[[Phase], Mapping[str, float]]  # what the run of a phase logged


def naive(transfer: Transfer, metrics: Metrics) -> dict[str, float]:
    """What a replicate costs with an own chain for each target, counted by its runs, reused or not."""
    chains = own_chains(transfer)
    return {
        name: sum(metrics(phase).get(counter, 0.0) for phase in chains) for name, counter in COUNTERS.items()
    }


def added(one: Mapping[str, float], other: Mapping[str, float]) -> dict[str, float]:
    return {name: one[name] + other[name] for name in COUNTERS}


@dataclass(frozen=True)
class Expected:
    """What a trial that was stopped would have cost.

    Args:
        ensured: its phases that are done.
        metrics: what their runs logged.
    """

    plan: Plan
    ensured: Sequence[Phase]
    metrics: Metrics

    def cost(self, shared: bool) -> dict[str, float]:
        """With an own chain for each target and seed, or (``shared``) each training once.

        Steps follow from settings; tokens and seconds of trainings that it did not come to, from those that
        it did.
        """
        chains = [phase for transfer in self.plan.transfers for phase in own_chains(transfer)]
        costs = dict.fromkeys(COUNTERS, 0.0)
        for phase in unique(chains) if shared else chains:
            steps = steps_of(phase) if phase.procedure != "merge" else 0.0
            costs["optimizer_steps"] += steps
            for name in ("tokens", "seconds"):
                costs[name] += steps * self._per_step(phase, COUNTERS[name])
        return costs

    def _per_step(self, phase: Phase, counter: str) -> float:
        """Of trainings of the same tasks in this trial, else of the same kind; 0 where there was none."""
        same_kind = [
            one
            for one in self.ensured
            if one.kind == phase.kind and self.metrics(one).get(COUNTERS["optimizer_steps"])
        ]
        same = [one for one in same_kind if one.tasks == phase.tasks] or same_kind
        steps = sum(self.metrics(one)[COUNTERS["optimizer_steps"]] for one in same)
        return sum(self.metrics(one).get(counter, 0.0) for one in same) / steps if steps else 0.0


def own_chains(transfer: Transfer) -> list[Phase]:
    """The trainings of a replicate if every target had intermediate trainings of its own:
    those come once for each target.
    """
    before = [phase for phase in transfer.before if phase.kind == "intermediate"]
    return [
        phase
        for phases in transfer.targets.values()
        for phase in (*before, *(one for one in phases if one.kind == "target"))
    ]
