"""How long what is to run will still take: by what its like took in this command, else in earlier runs."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cached_property

from mlflow_xfer.phases.estimate import cost, duration
from mlflow_xfer.phases.past import Past
from mlflow_xfer.phases.phase import Phase


@dataclass
class TimeLeft:
    """Args:
    earlier: finished phases of the store, looked up when something is to be estimated.
    took: seconds that phases took here, by kind and tasks.
    foretold: seconds by earlier runs, by spec hash; each is worked out once.
    """

    earlier: Callable[[], Past]
    took: dict[tuple[str, ...], list[float]] = field(default_factory=dict)
    foretold: dict[str, float] = field(default_factory=dict)

    @cached_property
    def past(self) -> Past:
        return self.earlier()

    def ran(self, phase: Phase, seconds: float) -> None:
        self.took.setdefault(_like(phase), []).append(seconds)

    def said(self, phases: Iterable[Phase], slots: int) -> str:
        """For these phases, so many at once: ``; about 12 min left``; empty where nothing like one of them
        has ever been run."""
        left = sum(self._seconds(phase) for phase in phases) / slots
        return "" if math.isnan(left) or left < 1 else f"; about {duration(left)} left"

    def _seconds(self, phase: Phase) -> float:
        if here := self.took.get(_like(phase)):
            return statistics.fmean(here)
        if phase.spec_hash not in self.foretold:
            self.foretold[phase.spec_hash] = cost(phase, self.past).seconds
        return self.foretold[phase.spec_hash]


def _like(phase: Phase) -> tuple[str, ...]:
    return (phase.procedure, *(task.name for task in phase.tasks))
