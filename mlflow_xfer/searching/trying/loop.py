"""The loop of a search: ask for candidates, have as many run as there is room for, tell what comes out, until
the budget is spent. One process does it, and nobody else asks or tells.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import optuna
from optuna.trial import TrialState

from mlflow_xfer.errors import INTERRUPTED, TRY_AGAIN
from mlflow_xfer.searching.proposing import methods
from mlflow_xfer.searching.proposing.batches import Batches
from mlflow_xfer.searching.proposing.proposer import Proposal, Proposer
from mlflow_xfer.searching.space.candidate import Candidate
from mlflow_xfer.searching.space.space import Space
from mlflow_xfer.searching.storage.history import (
    COST,
    REACHED,
    RETRIED_FROM,
    RUN_ID,
    History,
)
from mlflow_xfer.searching.trying.ends import Ends
from mlflow_xfer.searching.trying.reports import Reports, store
from mlflow_xfer.searching.trying.trials import (
    Budget,
    Observer,
    OneByOne,
    Pruned,
    Runs,
    Trial,
    TrialResult,
    hear,
)

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
    )
    tried, looks = Batches(study, batches), len(seeds) - 1 if pruner != "none" else 0
    return Loop(
        study,
        OneByOne(runs) if callable(runs) else runs,
        budget,
        proposer,
        tuple(seeds),
        tried,
        Reports(
            study,
            tried,
            methods.make_pruner(pruner, len(seeds), reduction_factor),
            len(seeds),
            looks,
            observer,
        ),
        Ends(study, space, observer, budget.n_trials),
        confirm,
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
    seeds: tuple[int, ...]
    batches: Batches
    reports: Reports
    ends: Ends
    confirm: Callable[[], object] = lambda: None
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
                trial, result = self.runs.ended()
                self.over[trial.number] = result
                if not self.batches.size or len(self.over) == len(self.active):
                    self._tell_all()
        except BaseException as interrupt:  # the user, or the machine's owner, wants the process back
            for own, trial in self.active.values():
                self.ends.interrupted(own, trial, interrupt)
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
                none = Trial(asked.trial.number, asked.candidate, self.seeds, lambda step, value, stage: None)
                self.ends.known(asked.trial, none, asked.known)
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
            self.reports.report(own, trial, step, value, stage)

        def reached(how_far: Sequence[int]) -> None:
            nonlocal noted
            if self.runs.in_process and time.monotonic() - noted >= NOTED_SECONDS:
                noted = time.monotonic()
                own.set_user_attr(REACHED, list(how_far))

        trial = Trial(own.number, asked.candidate, self.seeds, report, reached=reached)
        if RUN_ID in own.user_attrs:  # of the trial that this one goes on with
            trial.attrs[RUN_ID] = own.user_attrs[RUN_ID]
        if self.runs.in_process:
            own.set_user_attr(REACHED, [])
        self.active[own.number] = own, trial
        hear(self.reports.observer, "started", trial)
        store(own, trial.attrs)
        self.runs.begin(trial)

    def _tell_all(self) -> None:
        """Tell how trials ended, in the order of their numbers.

        Raises:
            Exception: what interrupted one of them; it and all that run are queued again.
        """
        for number in sorted(self.over):
            (own, trial), result = self.active[number], self.over[number]
            if getattr(result, "exit_code", None) in (TRY_AGAIN, INTERRUPTED) and not isinstance(
                result, Pruned
            ):
                assert isinstance(result, Exception), "what has an exit code"
                raise result
            self.confirm()
            self.ends.tell(own, trial, result)
            del self.active[number], self.over[number]
            if isinstance(result, Exception) and not isinstance(result, Pruned):
                self.ends.raise_if_systematic(result)


def spent_seconds(history: History) -> float:
    """Training time that the study's trials took."""
    return sum(float(t.user_attrs.get(COST, {}).get("seconds", 0.0)) for t in history.trials)
