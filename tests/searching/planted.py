"""A search whose truth is known: effects of tasks and of one pair, and reproducible noise."""

from __future__ import annotations

import hashlib
from collections import deque

import numpy as np
import optuna

from mlflow_xfer.searching.space.candidate import Candidate
from mlflow_xfer.searching.space.parsing import read_space
from mlflow_xfer.searching.storage.history import DUPLICATE_OF, KEY, RETRIED_FROM, History
from mlflow_xfer.searching.trying.trials import OneByOne, Trial, TrialResult

POOL = tuple("abcdefghi")
EFFECTS = {"a": 2.0, "b": 2.0, "c": -3.0}
SPACE = read_space(None, POOL)


def truth(candidate: Candidate) -> float:
    tasks = set(candidate.tasks)
    return 60.0 + sum(EFFECTS.get(task, 0.0) for task in tasks) + 4.0 * ({"d", "e"} <= tasks)


def noise(candidate: Candidate, seed: int) -> float:
    digest = hashlib.sha256(f"{candidate.key} {seed}".encode()).digest()
    return float(np.random.default_rng(int.from_bytes(digest[:8], "little")).normal())


class Runs:
    """A run function that remembers what it ran, and raises ``errors[n]`` at its n-th call."""

    def __init__(self, errors: dict[int, BaseException] | None = None, objectives: int = 1):
        self.errors, self.objectives, self.keys = errors or {}, objectives, []

    def __call__(self, trial: Trial) -> TrialResult:
        self.keys.append(trial.candidate.key)
        if len(self.keys) in self.errors:
            raise self.errors[len(self.keys)]
        by_seed = tuple(
            (truth(trial.candidate) + noise(trial.candidate, seed), float(-len(trial.candidate.tasks)))[
                : self.objectives
            ]
            for seed in trial.seeds
        )
        return TrialResult(
            tuple(float(np.mean(column)) for column in zip(*by_seed, strict=True)), by_seed, {"seconds": 60.0}
        )


class Together:
    """Runs several trials at once, of which each time the one that ``choose`` names ends."""

    def __init__(self, run, slots: int, choose=lambda trials: trials[-1]):
        self.run, self.slots, self.choose = run, slots, choose
        self.running: list[Trial] = []
        self.in_process = True
        self.most = 0

    def begin(self, trial: Trial) -> None:
        self.running.append(trial)
        self.most = max(self.most, len(self.running))

    def ended(self) -> tuple[Trial, TrialResult | Exception]:
        trial = self.choose(self.running)
        self.running.remove(trial)
        return OneByOne(self.run, waiting=deque([trial])).ended()


def told(study: optuna.Study) -> list[tuple]:
    """What happened, in order: the trials that died and were retried aside."""
    return [
        (t.user_attrs[KEY], t.values, t.params, DUPLICATE_OF in t.user_attrs) for t in History.of(study).live
    ]


def retried(study: optuna.Study) -> list[int]:
    return [t.user_attrs[RETRIED_FROM] for t in study.trials if RETRIED_FROM in t.user_attrs]
