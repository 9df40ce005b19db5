"""One worker's loop: ask for a candidate, run it, tell what came out, until the budget is spent."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from mlflow_xfer.searching.space import Candidate

SPACE = "xfer.space"  # study: canonical JSON of pool, ranges, objective, seeds: what makes a search this search
KEY, TASKS, SETTINGS = "xfer.key", "xfer.tasks", "xfer.settings"
BY_SEED, COST, SAVED = "xfer.by_seed", "xfer.cost", "xfer.saved"
DUPLICATE_OF, RETRIED_FROM, ERROR, RUN_ID, PRUNED_AT = "xfer.duplicate_of", "xfer.retried_from", "xfer.error", "xfer.run_id", "xfer.pruned_at"
DISCARDED = "xfer.discarded"  # asked for when nothing was left to do; counts as nothing


class Pruned(Exception):
    """The pruner stops this trial; travels out of the run function."""

    def __init__(self, step: int, stage: str = ""):
        self.step, self.stage = step, stage
        super().__init__(f"pruned at step {step}{f' ({stage})' if stage else ''}")


@dataclass(frozen=True)
class Outcome:
    """What a trial found.

    Args:
        values: one per objective, 0-100, higher is better, mean over seeds.
        by_seed: [seed][objective], the same before averaging.
        cost: what was newly spent: ``optimizer_steps``, ``tokens``, ``seconds``.
        saved: what reuse of finished phases saved, same keys.
    """

    values: tuple[float, ...]
    by_seed: tuple[tuple[float, ...], ...] = ()
    cost: Mapping[str, float] = field(default_factory=dict)
    saved: Mapping[str, float] = field(default_factory=dict)


@dataclass
class Trial:
    """What a run function gets.

    Args:
        number: of the trial in the study.
        seeds: of the replicates to run.
        report: ``report(step, value, stage)`` along the way; raises :class:`Pruned` when the pruner says so. Steps grow within a trial.
        attrs: free notes of the run function (``xfer.run_id``), stored with the trial as it ends or is pruned.
    """

    number: int
    candidate: Candidate
    seeds: tuple[int, ...]
    report: Callable[[int, float, str], None]
    attrs: dict[str, Any] = field(default_factory=dict)


RunTrial = Callable[[Trial], Outcome]


class Observer(Protocol):
    """Hears what happens; one that fails never fails a trial. ``state`` is ``COMPLETE``, ``PRUNED`` or ``FAIL``."""

    def started(self, trial: Trial) -> None: ...

    def reported(self, trial: Trial, step: int, value: float, stage: str) -> None: ...

    def ended(self, trial: Trial, state: str, outcome: Outcome | None, error: str | None) -> None: ...

    def duplicate(self, trial: Trial, known: int) -> None:
        """The trial drew a candidate that trial ``known`` has run; it was told the known value."""
