"""A trial as the loop hands it out and takes it back:
its candidate, what it reports, what it found, what a search may spend.

Reports along the way (``Trial.report``) have a stage that says what may be done with them:

- ``probe``: a small measure of the target, comparable between trials at equal steps; the step is the
  percentage of the trial's training that it stands for (beyond 100 with further seeds). The pruner decides on
  these.
- ``seed``: the final score of one more seed; the step is the number of seeds done. Looks at them are paid for
  statistically.
- anything else (``intermediate``: a task's own dev score) is shown, and decides nothing: it is not comparable
  between subsets.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from mlflow_xfer.errors import TRY_AGAIN
from mlflow_xfer.searching.space.candidate import Candidate

logger = logging.getLogger(__name__)

PROBE, SEED_DONE = "probe", "seed"


class Pruned(Exception):
    """The pruner stops this trial, and the phase that it waits for if no other trial does."""

    exit_code = TRY_AGAIN

    def __init__(self, step: int, stage: str = ""):
        self.step, self.stage = step, stage
        super().__init__(f"pruned at step {step}{f' ({stage})' if stage else ''}")


@dataclass(frozen=True)
class TrialResult:
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
    """A trial that is to be run.

    Args:
        number: of the trial in the study.
        seeds: of the replicates to run.
        report: ``report(step, value, stage)`` along the way; raises :class:`Pruned` when the pruner says so.
            Steps grow within a stage.
        attrs: notes of whoever runs it (``xfer.run_id``; ``xfer.cost`` so far, for a trial that is pruned),
            stored at each report and at the end.
        reached: called with how far it is, in numbers that only grow: what it does before a death of its
            process counts as progress.
    """

    number: int
    candidate: Candidate
    seeds: tuple[int, ...]
    report: Callable[[int, float, str], None]
    attrs: dict[str, Any] = field(default_factory=dict)
    reached: Callable[[Sequence[int]], object] = lambda how_far: None


class Runs(Protocol):
    """What runs trials, ``slots`` of them at once. ``in_process``: in this process, whose death may be a
    trial's doing."""

    @property
    def slots(self) -> int: ...

    @property
    def in_process(self) -> bool: ...

    def begin(self, trial: Trial) -> None:
        """Take a trial; it need not run at once."""

    def ended(self) -> tuple[Trial, TrialResult | Exception]:
        """The next trial that comes to its end, waited for, with what it found or what ended it."""
        ...


@dataclass
class OneByOne:
    """Runs each trial by one call, in the order in which they come."""

    run: Callable[[Trial], TrialResult]
    slots: int = 1
    in_process: bool = True
    waiting: deque[Trial] = field(default_factory=deque)

    def begin(self, trial: Trial) -> None:
        self.waiting.append(trial)

    def ended(self) -> tuple[Trial, TrialResult | Exception]:
        trial = self.waiting.popleft()
        try:
            return trial, self.run(trial)
        except Exception as error:
            return trial, error


class Observer(Protocol):
    """Hears what happens; one that fails never fails a trial.
    ``state`` is ``COMPLETE``, ``PRUNED`` or ``FAIL``.
    """

    def started(self, trial: Trial) -> None: ...

    def reported(self, trial: Trial, step: int, value: float, stage: str) -> None: ...

    def ended(self, trial: Trial, state: str, outcome: TrialResult | None, error: str | None) -> None: ...

    def duplicate(self, trial: Trial, known: int) -> None:
        """The trial drew a candidate that trial ``known`` has run; it was told the known value."""


def hear(observer: Observer | None, what: str, trial: Trial, *args: Any) -> None:
    """Tell the observer, if there is one."""
    if observer is None:
        return
    try:
        getattr(observer, what)(trial, *args)
    except Exception:
        logger.warning(
            "the mirror of trial %d failed (%s); the search goes on", trial.number, what, exc_info=True
        )


@dataclass(frozen=True)
class Budget:
    """What a search may spend; whichever limit is met first. None: no limit.

    Args:
        n_trials: trials of the whole study, those of earlier commands included; duplicates, and trials that
            died and were retried, are not counted.
        timeout: seconds from the start of the command; a trial that runs is finished.
        gpu_hours: training time of the whole study, summed over trials (``xfer.cost`` seconds).
    """

    n_trials: int | None = None
    timeout: float | None = None
    gpu_hours: float | None = None
