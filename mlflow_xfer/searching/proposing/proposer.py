"""The next candidate: the baseline, then single tasks, then what the sampler draws.

A draw that somebody has run is told the known value, costs nothing and is marked ``xfer.duplicate_of``; after
ten in a row a random unseen candidate is taken. Each draw is seeded by (seed, number of trials asked before),
so with one trial at a time, or in batches, a search that was killed and continued draws what the undisturbed
one draws (trials that died and were retried are not counted: the undisturbed one has none).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial, TrialState

from mlflow_xfer.searching.proposing.samplers import Sampler, unseen
from mlflow_xfer.searching.space.candidate import Candidate
from mlflow_xfer.searching.space.space import Space
from mlflow_xfer.searching.storage.history import DISCARDED, DUPLICATE_OF, RETRIED_FROM, History, described

DUPLICATES = 10


@dataclass(frozen=True)
class Proposal:
    """A trial that Optuna has opened, and its candidate; ``known``:
    the finished trial of the same candidate, if there is one.
    """

    trial: optuna.Trial
    candidate: Candidate
    known: FrozenTrial | None = None


class Placed(BaseSampler):
    """Gives Optuna the parameters that were decided here."""

    def __init__(self) -> None:
        self.params: dict[str, Any] = {}
        self.distributions: dict[str, BaseDistribution] = {}

    def infer_relative_search_space(
        self, study: optuna.Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        return self.distributions

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        return self.params

    def sample_independent(
        self, study: optuna.Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        raise RuntimeError(f"{param_name} was not decided")


@dataclass
class Proposer:
    """Asks a study for candidates.

    Args:
        order: single tasks, best first (by proxies); tasks of the pool that it lacks follow.
        allowed: candidates that may be run (a cost gate); the baseline always may.
    The baseline and single tasks are tried again that failed in trials which are there at the beginning.
    """

    study: optuna.Study
    space: Space
    sampler: Sampler
    seed: int = 0
    order: Sequence[str] = ()
    allowed: Callable[[Candidate], bool] | None = None

    def __post_init__(self) -> None:
        self._earlier = len(self.study.get_trials(deepcopy=False))
        self.study.sampler = self._placed = Placed()

    # -- the queue -------------------------------------------------------------------------------------------
    def queue(self) -> Iterator[Candidate]:
        """What every search tries first."""
        yield self.space.neutral(())
        if self.space.min_tasks == 1:
            singles = [
                *(name for name in self.order if name in self.space.pool),
                *(name for name in self.space.pool if name not in self.order),
            ]
            yield from (self.space.neutral((name,)) for name in singles)

    def _may(self, candidate: Candidate) -> bool:
        return self.allowed is None or not candidate.tasks or self.allowed(candidate)

    def exhausted(self, history: History) -> bool:
        """Whether every candidate is taken."""
        count = self.space.count()
        return count is not None and len(history.taken) >= count

    def to_retry(self, history: History) -> bool:
        """Whether the baseline or a single task failed in an earlier command:
        everything is compared with them.
        """
        return any(self._failed_earlier(history.taken[c.key]) for c in self.queue() if c.key in history.taken)

    def _failed_earlier(self, trial: FrozenTrial) -> bool:
        return trial.state == TrialState.FAIL and trial.number < self._earlier

    # -- asking ----------------------------------------------------------------------------------------------
    def ask(self) -> Proposal | None:
        """Open a trial with its candidate; None if nothing is left to try."""
        trial = self.study.ask()
        own = self.study._storage.get_trial(trial._trial_id)
        if "fixed_params" in own.system_attrs:  # queued: a retry, or a user's own wish
            return self._queued(trial, own)
        history = History.of(self.study).before(trial.number)
        candidate, retried, known = self._decide(history)
        if candidate is None:
            self.discard(trial, "nothing is left to try")
            return None
        if retried is not None:
            trial.set_user_attr(RETRIED_FROM, retried)
        return self._place(trial, candidate, known)

    def discard(self, trial: optuna.Trial, why: str) -> None:
        """Close a trial that was asked for in vain."""
        trial.set_user_attr(DISCARDED, why)
        self.study.tell(trial, state=TrialState.FAIL)

    def _queued(self, trial: optuna.Trial, own: FrozenTrial) -> Proposal | None:
        try:
            candidate = self.space.candidate(self.space.filled(own.system_attrs["fixed_params"]))
        except ValueError as error:
            self.discard(trial, f"queued candidate refused: {error}")
            return self.ask()
        known = History.of(self.study).before(trial.number).taken.get(candidate.key)
        return self._place(trial, candidate, known if known and known.state.is_finished() else None)

    def _place(self, trial: optuna.Trial, candidate: Candidate, known: FrozenTrial | None) -> Proposal:
        """Write the candidate into the trial."""
        if known:
            trial.set_user_attr(DUPLICATE_OF, known.number)
        for name, value in described(candidate).items():
            if trial.user_attrs.get(name) != value:
                trial.set_user_attr(name, value)
        distributions = self.space.distributions()
        self._placed.params = self.space.params(candidate)
        self._placed.distributions = {name: distributions[name] for name in self._placed.params}
        for name, distribution in self._placed.distributions.items():
            trial._suggest(name, distribution)
        return Proposal(trial, candidate, known)

    def _decide(self, history: History) -> tuple[Candidate | None, int | None, FrozenTrial | None]:
        """``(candidate, failed trial that it replaces, finished trial that it duplicates)``."""
        rng = np.random.default_rng(
            [self.seed, len([t for t in history.live if t.state != TrialState.WAITING])]
        )
        for candidate in self.queue():
            before = history.taken.get(candidate.key)
            if before is None and self._may(candidate):
                return candidate, None, None
            if before is not None and self._failed_earlier(before):
                return candidate, before.number, None
        if history.duplicates_in_a_row() < DUPLICATES:
            for _ in range(DUPLICATES):
                candidate = self.sampler.propose(history, int(rng.integers(2**32)), rng)
                if candidate is None:
                    break
                known = history.taken.get(candidate.key)
                if known is None and self._may(candidate):
                    return candidate, None, None
                if known is not None and known.state.is_finished():
                    return candidate, None, known
        return unseen(self.space, history, rng, self._may), None, None
