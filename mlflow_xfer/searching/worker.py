"""A worker's loop: ask for a candidate, run it, tell what came out, until the budget is spent."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import FrozenTrial, TrialState

from mlflow_xfer.errors import INTERRUPTED, TRY_AGAIN, XferError
from mlflow_xfer.searching.asking import Asked, Asker
from mlflow_xfer.searching.history import (
    BY_SEED,
    COST,
    ERROR,
    PRUNED_AT,
    RETRIED_FROM,
    SAVED,
    History,
    requeue,
)
from mlflow_xfer.searching.trials import PROBE, SEED_DONE, Budget, Observer, Outcome, Pruned, RunTrial, Trial
from mlflow_xfer.stats.looks import hopeless

logger = logging.getLogger(__name__)


SYSTEMATIC = 3  # equal failures, and nothing but failures, that end a search


POLL = 1.0  # seconds between looks at other workers' trials


@dataclass
class Worker:
    """Runs trials of a study until something ends the search; see :func:`run_worker`."""

    study: optuna.Study
    run: RunTrial
    budget: Budget
    asker: Asker
    pruner: optuna.pruners.BasePruner
    seeds: tuple[int, ...]
    looks: int
    observer: Observer | None = None
    between: Callable[[], object] | None = None
    stay: bool = False
    failures: list[str] = field(default_factory=list)
    succeeded: bool = False
    started_at: float = field(default_factory=time.monotonic)

    # -- the loop --------------------------------------------------------------------------------------------
    def work(self) -> str:
        """Run trials; says what ended them: ``n_trials``, ``timeout``, ``gpu_hours`` or ``exhausted``."""
        while True:
            if self.between:
                self.between()
            history = History.of(self.study)
            waiting = any(t.state == TrialState.WAITING for t in history.trials)
            why = self.spent(history) or ("" if waiting else self._nothing_left(history))
            if (
                why
                and self.stay
                and why in ("n_trials", "exhausted")
                and any(t.state == TrialState.RUNNING for t in history.live)
            ):
                time.sleep(POLL)  # another worker's trial may die yet, and be ours to retry
                continue
            if why:
                return why
            asked = self.asker.ask()
            if asked is None:
                return "exhausted"
            if not self._affordable(asked):
                self.asker.discard(asked.trial, "the budget is spent")
                continue
            self.attend(asked)

    def spent(self, history: History) -> str:
        """Which limit is met; what is queued already is within any number of trials."""
        waiting = any(t.state == TrialState.WAITING for t in history.trials)
        if self.budget.n_trials is not None and len(history.counted) >= self.budget.n_trials and not waiting:
            return "n_trials"
        if self.budget.timeout is not None and time.monotonic() - self.started_at >= self.budget.timeout:
            return "timeout"
        if self.budget.gpu_hours is not None and spent_seconds(history) >= 3600 * self.budget.gpu_hours:
            return "gpu_hours"
        return ""

    def _nothing_left(self, history: History) -> str:
        return "exhausted" if self.asker.exhausted(history) and not self.asker.to_retry(history) else ""

    def _affordable(self, asked: Asked) -> bool:
        """Several workers may ask at once for the last trial: the one with the lowest number gets it."""
        if self.budget.n_trials is None or asked.known or RETRIED_FROM in asked.trial.user_attrs:
            return True
        return len(History.of(self.study).before(asked.trial.number).counted) < self.budget.n_trials

    # -- one trial -------------------------------------------------------------------------------------------
    def attend(self, asked: Asked) -> None:
        """Run one trial, or tell it what is known, and store how it ended."""
        trial = Trial(
            asked.trial.number,
            asked.candidate,
            self.seeds,
            lambda step, value, stage="": self._report(asked.trial, trial, step, value, stage),
        )
        try:
            self._attend(asked, trial)
        except UpdateFinishedTrialError:
            self._taken_over(asked, trial)

    def _attend(self, asked: Asked, trial: Trial) -> None:
        if asked.known is not None:
            self._tell_known(asked, asked.known, trial)
            return
        self._hear("started", trial)
        try:
            outcome = self.run(trial)
        except Pruned as pruned:
            trial.attrs[PRUNED_AT] = {"step": pruned.step, "stage": pruned.stage}
            self._end(asked.trial, trial, TrialState.PRUNED)
            self.succeeded = True
        except UpdateFinishedTrialError:
            raise
        except Exception as error:
            if getattr(error, "exit_code", None) in (TRY_AGAIN, INTERRUPTED):
                self._interrupted(asked.trial, trial, error)
                raise
            self._failed(asked.trial, trial, error)
        except BaseException as interrupt:  # the user, or the machine's owner, wants the process back
            self._interrupted(asked.trial, trial, interrupt)
            raise
        else:
            trial.attrs |= {
                BY_SEED: [list(row) for row in outcome.by_seed],
                COST: dict(outcome.cost),
                SAVED: dict(outcome.saved),
            }
            self._end(asked.trial, trial, TrialState.COMPLETE, outcome)
            self.succeeded = True

    def _interrupted(self, own: optuna.Trial, trial: Trial, why: BaseException) -> None:
        self._store(own, trial.attrs)
        requeue(
            self.study,
            self.asker.space,
            self.study._storage.get_trial(own._trial_id),
            f"interrupted: {str(why).splitlines()[0] if str(why) else type(why).__name__}",
        )
        self._hear("ended", trial, TrialState.FAIL.name, None, "interrupted; its candidate is queued again")

    def _taken_over(self, asked: Asked, trial: Trial) -> None:
        """Others took this worker for dead: they have queued the candidate again,
        and what it found is dropped.
        """
        logger.warning(
            "trial %d (%s) was taken over by another worker, because this one had not been heard of for too "
            "long",
            trial.number,
            trial.candidate.label,
        )
        self.study.tell(trial.number, state=TrialState.FAIL, skip_if_finished=True)
        self._hear("ended", trial, TrialState.FAIL.name, None, "taken over by another worker")

    def _report(self, own: optuna.Trial, trial: Trial, step: int, value: float, stage: str) -> None:
        self._hear("reported", trial, step, value, stage)
        self._store(own, trial.attrs)
        if len(self.study.directions) > 1:
            return
        if stage == PROBE:
            own.report(float(value), int(step))
            if trial.candidate.tasks and self.pruner.prune(
                self.study, self.study._storage.get_trial(own._trial_id)
            ):
                raise Pruned(step, stage)  # never the baseline: all else is compared with it
        elif stage == SEED_DONE:
            done = [*(row[0] for row in own.user_attrs.get(BY_SEED, [])), float(value)]
            own.set_user_attr(BY_SEED, [[v] for v in done])
            if trial.candidate.tasks and self.looks and len(done) < len(self.seeds) and self._hopeless(done):
                raise Pruned(step, stage)

    def _hopeless(self, done: Sequence[float]) -> bool:
        others = [
            [row[0] for row in t.user_attrs.get(BY_SEED, [])]
            for t in History.of(self.study).finished
            if t.state == TrialState.COMPLETE
        ]
        best = max(others, key=lambda scores: sum(scores) / len(scores) if scores else -1.0, default=[])
        return hopeless(done, best, others, self.looks)

    def _tell_known(self, asked: Asked, known: FrozenTrial, trial: Trial) -> None:
        if known.state == TrialState.COMPLETE:
            self.study.tell(asked.trial, known.values)
        else:
            for step, value in known.intermediate_values.items():
                asked.trial.report(value, step)
            self.study.tell(asked.trial, state=known.state)
        self._hear("duplicate", trial, known.number)

    def _failed(self, own: optuna.Trial, trial: Trial, error: Exception) -> None:
        message = f"{type(error).__name__}: {error}"
        logger.error(
            "trial %d (%s) failed: %s",
            trial.number,
            trial.candidate.label,
            message,
            exc_info=not isinstance(error, XferError),
        )
        trial.attrs[ERROR] = message[:2000]
        self._end(own, trial, TrialState.FAIL, error=message)
        self.failures.append(re.sub(r"\d+|0x[0-9a-f]+|'[^']*'", "", message))
        if not self.succeeded and self.failures[-SYSTEMATIC:] == [self.failures[-1]] * SYSTEMATIC:
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
        outcome: Outcome | None = None,
        error: str | None = None,
    ) -> None:
        self._store(own, trial.attrs)
        self.study.tell(own, outcome.values if outcome else None, state=state)
        self._hear("ended", trial, state.name, outcome, error)

    def _store(self, own: optuna.Trial, attrs: Mapping[str, Any]) -> None:
        known = own.user_attrs
        for name, value in attrs.items():
            if known.get(name) != value:
                own.set_user_attr(name, value)

    def _hear(self, what: str, *args: Any) -> None:
        if self.observer is None:
            return
        try:
            getattr(self.observer, what)(*args)
        except Exception:
            logger.warning(
                "the mirror of trial %d failed (%s); the search goes on", args[0].number, what, exc_info=True
            )


def spent_seconds(history: History) -> float:
    """Training time that the study's trials took."""
    return sum(float(t.user_attrs.get(COST, {}).get("seconds", 0.0)) for t in history.trials)
