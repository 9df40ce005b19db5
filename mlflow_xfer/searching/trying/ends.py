"""How trials end: what is told to the study, stored and shown."""

from __future__ import annotations

import logging
import re
import time
from dataclasses import dataclass, field

import optuna
from optuna.trial import FrozenTrial, TrialState

from mlflow_xfer.errors import XferError
from mlflow_xfer.phases.estimate import duration
from mlflow_xfer.searching.space.space import Space
from mlflow_xfer.searching.storage.history import (
    BY_SEED,
    COST,
    ERROR,
    LEFT,
    PRUNED_AT,
    SAVED,
    History,
    candidate_of,
    requeue,
    why_ended,
)
from mlflow_xfer.searching.trying.reports import frozen, store
from mlflow_xfer.searching.trying.trials import Observer, Pruned, Trial, TrialResult, hear

logger = logging.getLogger(__name__)

SYSTEMATIC = 3  # equal failures, and nothing but failures, that end a search


@dataclass
class Ends:
    """Tells a study how trials ended.

    Attributes:
        wanted: how many trials there will be; None: not known.
        failures: messages of failed trials, without what varies in them.
        succeeded: whether any trial did not fail.
    """

    study: optuna.Study
    space: Space
    observer: Observer | None = None
    wanted: int | None = None
    began: float = field(default_factory=time.monotonic)
    ended: int = 0
    failures: list[str] = field(default_factory=list)
    succeeded: bool = False

    def tell(self, own: optuna.Trial, trial: Trial, result: TrialResult | Exception) -> None:
        if isinstance(result, Pruned):
            trial.attrs[PRUNED_AT] = {"step": result.step, "stage": result.stage}
            self._end(own, trial, TrialState.PRUNED)
        elif isinstance(result, Exception):
            self._failed(own, trial, result)
        else:
            trial.attrs |= {
                BY_SEED: [list(row) for row in result.by_seed],
                COST: dict(result.cost),
                SAVED: dict(result.saved),
            }
            self._end(own, trial, TrialState.COMPLETE, result)
        self.succeeded |= not isinstance(result, Exception) or isinstance(result, Pruned)

    def known(self, own: optuna.Trial, trial: Trial, known: FrozenTrial) -> None:
        """Tell a trial the values of the one that ran the same candidate."""
        if known.state == TrialState.COMPLETE:
            self.study.tell(own, known.values)
        else:
            for step, value in known.intermediate_values.items():
                own.report(value, step)
            self.study.tell(own, state=known.state)
        hear(self.observer, "duplicate", trial, known.number)

    def interrupted(self, own: optuna.Trial, trial: Trial, why: BaseException) -> None:
        """Queue the candidate again; its next trial goes on in the same run."""
        if frozen(self.study, own).state.is_finished():
            return  # another process has taken the search over, and queued it
        store(own, trial.attrs)
        trial.attrs[LEFT] = True
        said = str(why).splitlines()[0] if str(why) else type(why).__name__
        requeue(self.study, self.space, frozen(self.study, own), f"interrupted: {said}")
        told = "interrupted; its candidate is queued again"
        hear(self.observer, "ended", trial, TrialState.FAIL.name, None, told)

    def _failed(self, own: optuna.Trial, trial: Trial, error: Exception) -> None:
        message = f"{type(error).__name__}: {error}"
        logger.error(
            "trial %d (%s) failed: %s",
            trial.number,
            trial.candidate.label,
            message,
            exc_info=None if isinstance(error, XferError) else error,
        )
        trial.attrs[ERROR] = message[:2000]
        self._end(own, trial, TrialState.FAIL, error=message)
        self.failures.append(re.sub(r"\d+|0x[0-9a-f]+|'[^']*'", "", message))

    def raise_if_systematic(self, error: Exception) -> None:
        """Raise :class:`XferError` where nothing but equal failures is to be expected."""
        if not self.succeeded and self.failures[-SYSTEMATIC:] == [self.failures[-1]] * SYSTEMATIC:
            message = f"{type(error).__name__}: {error}"
            what = f"The first {SYSTEMATIC} trials all failed with the same error: {message}"
            code = error.exit_code if isinstance(error, XferError) else 1
            raise XferError(
                what, "Mend it and give the same command again: it goes on from here.", exit_code=code
            ) from error

    def _end(
        self,
        own: optuna.Trial,
        trial: Trial,
        state: TrialState,
        outcome: TrialResult | None = None,
        error: str | None = None,
    ) -> None:
        store(own, trial.attrs)
        self.study.tell(own, outcome.values if outcome else None, state=state)
        self.ended += 1
        self._say(trial, outcome)
        hear(self.observer, "ended", trial, state.name, outcome, error)

    def _say(self, trial: Trial, outcome: TrialResult | None) -> None:
        """How the trial ended, the best so far, and how long the others will take."""
        history = History.of(self.study)
        counted, complete = history.counted, [t for t in history.counted if t.state == TrialState.COMPLETE]
        said = why_ended(trial.attrs)
        if outcome is not None:
            said = ", ".join(f"{value:.1f}" for value in outcome.values)
        if complete and len(self.study.directions) == 1:
            best = max(complete, key=lambda t: t.values[0])
            candidate = candidate_of(best, self.space)
            said += f"; best {best.values[0]:.1f} ({candidate.label if candidate else best.number})"
        place, left = str(len(counted)), ""
        if self.wanted is not None:
            still = max(self.wanted - len(counted), 0)
            place += f"/{self.wanted}"
            left = duration((time.monotonic() - self.began) / self.ended * still) if still else ""
        logger.info(
            "trial %s %s: %s%s", place, trial.candidate.label, said, f"; about {left} left" if left else ""
        )
