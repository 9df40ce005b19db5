"""The loop of a search: ask for candidates, have as many run as there is room for, tell what comes out, until
the budget is spent. One process does it, and nobody else asks or tells.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from mlflow_xfer.errors import INTERRUPTED, TRY_AGAIN, XferError
from mlflow_xfer.searching.proposing import methods
from mlflow_xfer.searching.proposing.batches import Batches
from mlflow_xfer.searching.proposing.proposer import Proposal, Proposer
from mlflow_xfer.searching.space.candidate import Candidate
from mlflow_xfer.searching.space.space import Space
from mlflow_xfer.searching.storage.history import (
    BY_SEED,
    COST,
    ERROR,
    LEFT,
    PRUNED_AT,
    REACHED,
    RETRIED_FROM,
    RUN_ID,
    SAVED,
    History,
    requeue,
)
from mlflow_xfer.searching.trying.trials import (
    PROBE,
    SEED_DONE,
    Budget,
    Observer,
    OneByOne,
    Pruned,
    Runs,
    Trial,
    TrialResult,
)
from mlflow_xfer.stats.looks import hopeless

logger = logging.getLogger(__name__)

SYSTEMATIC = 3  # equal failures, and nothing but failures, that end a search
NOTED_SECONDS = 1.0  # how far a trial is, is written down no more often


def run_trials(
    study: optuna.Study,
    space: Space,
    runs: Runs | Callable[[Trial], TrialResult],
    budget: Budget,
    *,
    sampler: str = "auto",
    pruner: str = "none",
    reduction_factor: int = 4,
    seed: int = 0,
    seeds: Sequence[int] = (0,),
    batches: int | None = None,
    order: Sequence[str] = (),
    allowed: Callable[[Candidate], bool] | None = None,
    observer: Observer | None = None,
    confirm: Callable[[], object] = lambda: None,
    began: datetime | None = None,
) -> str:
    """Run trials of ``study`` until the budget is spent or nothing is left to try; says which.

    Args:
        runs: what trains and scores candidates; a function runs one at a time.
        seed: of the sampler.
        seeds: of the replicates of every trial.
        batches: so many candidates are asked for at once, and told when all of them have ended: what is asked
            then depends on no timing. None: each is told, and another asked for, as it ends.
        order: single tasks, most promising first.
        allowed: candidates that may be run at all (a cost gate); the baseline always may.
        confirm: called before a trial's end is told; raises if another process has taken the search over.
        began: start of the command; what failed before it may be tried again (baseline and single tasks
            only). Default: now.

    Raises:
        XferError: what cannot work together; or the first trials all fail with the same error.
        BaseException: an interrupt, after queueing the running trials again (``xfer.retried_from``).
    """
    space = space.gridded() if sampler == "grid" else space
    methods.check(
        space,
        sampler=sampler,
        pruner=pruner,
        objectives=len(study.directions),
        seeds=len(seeds),
        n_trials=budget.n_trials,
    )
    proposer = Proposer(
        study,
        space,
        methods.make_sampler(sampler, space, len(study.directions)),
        seed,
        order,
        allowed,
        began or datetime.now(),
    )
    return Loop(
        study,
        OneByOne(runs) if callable(runs) else runs,
        budget,
        proposer,
        methods.make_pruner(pruner, len(seeds), reduction_factor),
        tuple(seeds),
        Batches(study, batches),
        looks=len(seeds) - 1 if pruner != "none" else 0,
        observer=observer,
        confirm=confirm,
    ).run()


@dataclass
class Loop:
    """Asks and tells until something ends the search; see :func:`run_trials`.

    Attributes:
        active: the trials that run, by number, as Optuna and as ``runs`` know them.
        over: of a batch, those that have ended and are not told yet.
    """

    study: optuna.Study
    runs: Runs
    budget: Budget
    proposer: Proposer
    pruner: optuna.pruners.BasePruner
    seeds: tuple[int, ...]
    batches: Batches
    looks: int
    observer: Observer | None = None
    confirm: Callable[[], object] = lambda: None
    failures: list[str] = field(default_factory=list)
    succeeded: bool = False
    started_at: float = field(default_factory=time.monotonic)
    active: dict[int, tuple[optuna.Trial, Trial]] = field(default_factory=dict)
    over: dict[int, TrialResult | Exception] = field(default_factory=dict)

    # -- the loop --------------------------------------------------------------------------------------------
    def run(self) -> str:
        """Run trials; says what ended them: ``n_trials``, ``timeout``, ``gpu_hours`` or ``exhausted``."""
        try:
            while True:
                why = self._fill()
                if not self.active:
                    return why
                trial, found = self.runs.ended()
                self.over[trial.number] = found
                if not self.batches.size or len(self.over) == len(self.active):
                    self._tell_all()
        except BaseException as interrupt:  # the user, or the machine's owner, wants the process back
            for own, trial in self.active.values():
                self._interrupted(own, trial, interrupt)
            raise

    def _fill(self) -> str:
        """Begin trials while there is room; says what keeps from beginning more, if something does."""
        while True:
            history = History.of(self.study)
            if self.active and not self._room(history):
                return ""
            waiting = any(t.state == TrialState.WAITING for t in history.trials)
            why = self.spent(history) or ("" if waiting else self._nothing_left(history))
            if why:
                return why
            asked = self.proposer.ask()
            if asked is None:
                return "exhausted"
            if not self._affordable(asked):
                self.proposer.discard(asked.trial, "the budget is spent")
            elif asked.known is not None:
                self._tell_known(asked, asked.known)
            else:
                self._begin(asked)

    def _room(self, history: History) -> bool:
        if self.batches.size:
            return not self.over and not self.batches.full(history)
        return len(self.active) < self.runs.slots

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
        return "exhausted" if self.proposer.exhausted(history) and not self.proposer.to_retry(history) else ""

    def _affordable(self, asked: Proposal) -> bool:
        """Whether the budget pays for a trial that somebody queued."""
        if self.budget.n_trials is None or asked.known or RETRIED_FROM in asked.trial.user_attrs:
            return True
        return len(History.of(self.study).before(asked.trial.number).counted) < self.budget.n_trials

    # -- one trial -------------------------------------------------------------------------------------------
    def _begin(self, asked: Proposal) -> None:
        own, noted = asked.trial, time.monotonic()

        def report(step: int, value: float, stage: str = "") -> None:
            self._report(own, trial, step, value, stage)

        def reached(how_far: Sequence[int]) -> None:
            nonlocal noted
            if time.monotonic() - noted >= NOTED_SECONDS:
                noted = time.monotonic()
                own.set_user_attr(REACHED, list(how_far))

        trial = Trial(own.number, asked.candidate, self.seeds, report, reached=reached)
        if RUN_ID in own.user_attrs:  # of the trial that this one goes on with
            trial.attrs[RUN_ID] = own.user_attrs[RUN_ID]
        self.active[own.number] = own, trial
        self._hear("started", trial)
        self._store(own, trial.attrs)
        self.runs.begin(trial)

    def _tell_all(self) -> None:
        """Tell how trials ended, in the order of their numbers.

        Raises:
            Exception: what interrupted one of them; it and all that run are queued again.
        """
        for number in sorted(self.over):
            (own, trial), found = self.active[number], self.over[number]
            if getattr(found, "exit_code", None) in (TRY_AGAIN, INTERRUPTED) and not isinstance(
                found, Pruned
            ):
                assert isinstance(found, Exception), "what has an exit code"
                raise found
            self.confirm()
            self._tell(own, trial, found)
            del self.active[number], self.over[number]
            if isinstance(found, Exception) and not isinstance(found, Pruned):
                self._raise_if_systematic(found)

    def _tell(self, own: optuna.Trial, trial: Trial, found: TrialResult | Exception) -> None:
        if isinstance(found, Pruned):
            trial.attrs[PRUNED_AT] = {"step": found.step, "stage": found.stage}
            self._end(own, trial, TrialState.PRUNED)
        elif isinstance(found, Exception):
            self._failed(own, trial, found)
        else:
            trial.attrs |= {
                BY_SEED: [list(row) for row in found.by_seed],
                COST: dict(found.cost),
                SAVED: dict(found.saved),
            }
            self._end(own, trial, TrialState.COMPLETE, found)
        self.succeeded |= not isinstance(found, Exception) or isinstance(found, Pruned)

    def _interrupted(self, own: optuna.Trial, trial: Trial, why: BaseException) -> None:
        """Queue the candidate again; its next trial goes on in the same run."""
        if self._frozen(own).state.is_finished():
            return  # another process has taken the search over, and queued it
        self._store(own, trial.attrs)
        trial.attrs[LEFT] = True
        said = str(why).splitlines()[0] if str(why) else type(why).__name__
        requeue(self.study, self.proposer.space, self._frozen(own), f"interrupted: {said}")
        self._hear("ended", trial, TrialState.FAIL.name, None, "interrupted; its candidate is queued again")

    def _report(self, own: optuna.Trial, trial: Trial, step: int, value: float, stage: str) -> None:
        self._hear("reported", trial, step, value, stage)
        self._store(own, trial.attrs)
        if len(self.study.directions) > 1:
            return
        if stage == PROBE:
            own.report(float(value), int(step))
            if trial.candidate.tasks and self.pruner.prune(self.batches.seen_by(own), self._frozen(own)):
                raise Pruned(step, stage)  # never the baseline: all else is compared with it
        elif stage == SEED_DONE:
            done = [*(row[0] for row in own.user_attrs.get(BY_SEED, [])), float(value)]
            own.set_user_attr(BY_SEED, [[v] for v in done])
            looked_at = trial.candidate.tasks and self.looks and len(done) < len(self.seeds)
            if looked_at and self._hopeless(own, done):
                raise Pruned(step, stage)

    def _hopeless(self, own: optuna.Trial, done: Sequence[float]) -> bool:
        others = [
            [row[0] for row in t.user_attrs.get(BY_SEED, [])]
            for t in History.of(self.batches.seen_by(own)).finished
            if t.state == TrialState.COMPLETE
        ]
        best = max(others, key=lambda scores: sum(scores) / len(scores) if scores else -1.0, default=[])
        return hopeless(done, best, others, self.looks)

    def _tell_known(self, asked: Proposal, known: FrozenTrial) -> None:
        """Tell a trial the values of the one that ran the same candidate."""
        trial = Trial(asked.trial.number, asked.candidate, self.seeds, lambda step, value, stage: None)
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
            exc_info=None if isinstance(error, XferError) else error,
        )
        trial.attrs[ERROR] = message[:2000]
        self._end(own, trial, TrialState.FAIL, error=message)
        self.failures.append(re.sub(r"\d+|0x[0-9a-f]+|'[^']*'", "", message))

    def _raise_if_systematic(self, error: Exception) -> None:
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
        self._store(own, trial.attrs)
        self.study.tell(own, outcome.values if outcome else None, state=state)
        self._hear("ended", trial, state.name, outcome, error)

    def _store(self, own: optuna.Trial, attrs: Mapping[str, Any]) -> None:
        known = own.user_attrs
        for name, value in attrs.items():
            if known.get(name) != value:
                own.set_user_attr(name, value)

    def _frozen(self, own: optuna.Trial) -> FrozenTrial:
        return self.study._storage.get_trial(own._trial_id)

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
