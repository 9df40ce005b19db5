"""Where the next candidate comes from: at random, from a list, or from a sampler of Optuna's.

A sampler of Optuna's sees a study of its own, made from the storage before each draw: every trial completed
to all parameters of the space (Optuna's joint samplers drop a parameter that one trial lacks, and the
baseline lacks most), and a fresh sampler seeded by the caller. So a draw is a function of (history, seed)
alone: nothing is carried in memory that a restart could lose.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Sequence
from datetime import datetime
from itertools import islice
from typing import Protocol

import numpy as np
import optuna
from optuna.samplers import BaseSampler
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from mlflow_xfer.searching.space.candidate import Candidate
from mlflow_xfer.searching.space.space import Space
from mlflow_xfer.searching.storage.history import History

BRUTE_FORCE_LIMIT = 10_000

STARTUP = 10  # trials before a sampler's own draws, baseline and singles among them; Optuna's default


POPULATION = (
    12  # a generation of NSGA: searches have tens of trials, Optuna's 50 would make all of them random
)


class Sampler(Protocol):
    def propose(self, history: History, seed: int, rng: np.random.Generator) -> Candidate | None:
        """A candidate, seen or unseen; None when there is nothing to propose."""


class Drawn:
    """Uniformly random: the caller's own fallback does it."""

    def __init__(self, space: Space):
        self.space = space

    def propose(self, history: History, seed: int, rng: np.random.Generator) -> Candidate | None:
        return unseen(self.space, history, rng)


class Enumerated:
    """Every candidate of a countable space, small subsets first."""

    def __init__(self, space: Space):
        self.space = space

    def propose(self, history: History, seed: int, rng: np.random.Generator) -> Candidate | None:
        return next((c for c in self.space.candidates() if c.key not in history.taken), None)


class FromOptuna:
    """One of Optuna's samplers, on a completed copy of the study."""

    def __init__(
        self,
        space: Space,
        make: Callable[[int], BaseSampler],
        directions: Sequence[StudyDirection],
        startup: int = STARTUP,
        generations: str = "",
    ):
        self.space, self.make, self.directions, self.startup, self.generations = (
            space,
            make,
            list(directions),
            startup,
            generations,
        )

    def propose(self, history: History, seed: int, rng: np.random.Generator) -> Candidate | None:
        if len(history.finished) < self.startup:
            return unseen(self.space, history, rng)
        distributions = self.space.distributions()
        with quiet():
            sampler = self.make(seed)
            study = optuna.create_study(directions=self.directions, sampler=sampler)
            for place, trial in enumerate(t for t in history.live if t.params):
                study.add_trial(self._completed(trial, distributions, place))
            trial = study.ask()
            drawn = trial.relative_params
            missing = {n: d for n, d in distributions.items() if n not in drawn}
            independent = {
                n: sampler.sample_independent(study, study.trials[-1], n, d) for n, d in missing.items()
            }
        return self.space.candidate({**drawn, **independent}, rng)

    def _completed(self, trial: FrozenTrial, distributions: dict, place: int) -> FrozenTrial:
        """``trial`` with the parameters that do not exist for its candidate set to a neutral value."""
        attrs = {self.generations: place // POPULATION} if self.generations else {}
        complete, failed = trial.state == TrialState.COMPLETE, trial.state == TrialState.FAIL
        return FrozenTrial(
            number=place,
            trial_id=place,
            state=trial.state,
            value=None,
            values=trial.values if complete else None,
            params=self.space.filled(trial.params),
            distributions=distributions,
            user_attrs={},
            system_attrs=attrs,
            intermediate_values={} if failed else trial.intermediate_values,
            datetime_start=trial.datetime_start or datetime.now(),
            datetime_complete=trial.datetime_complete,
        )


def unseen(
    space: Space,
    history: History,
    rng: np.random.Generator,
    allowed: Callable[[Candidate], bool] | None = None,
) -> Candidate | None:
    """A random candidate that nobody has tried, all alike; None when none is left."""

    def free(candidate: Candidate) -> bool:
        return candidate.key not in history.taken and (allowed is None or allowed(candidate))

    for candidate in (space.draw(rng) for _ in range(50)):
        if free(candidate):
            return candidate
    count = space.count()
    if count is not None and count <= BRUTE_FORCE_LIMIT:
        left = [c for c in space.candidates() if free(c)]
        return left[rng.integers(len(left))] if left else None
    return next((c for c in islice((space.draw(rng) for _ in range(1000)), 1000) if free(c)), None)


class quiet:
    """Optuna's messages on studies in memory and on experimental samplers say nothing to a user."""

    def __enter__(self) -> None:
        self._level = logging.getLogger("optuna").level
        logging.getLogger("optuna").setLevel(logging.ERROR)
        self._warnings = warnings.catch_warnings()
        self._warnings.__enter__()
        warnings.simplefilter("ignore")

    def __exit__(self, *_: object) -> None:
        self._warnings.__exit__(None, None, None)
        logging.getLogger("optuna").setLevel(self._level)
