"""From finished trials to the candidates worth confirming."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import optuna
from optuna.trial import TrialState

from mlflow_xfer.searching.history import BY_SEED, History, candidate_of
from mlflow_xfer.searching.space import Candidate, Space


@dataclass(frozen=True)
class Finished:
    """A trial that ended: its candidate, value for each objective, and the same by seed; pruned ones have no value."""

    candidate: Candidate
    values: tuple[float, ...]
    by_seed: tuple[tuple[float, ...], ...] = ()
    pruned: bool = False


@dataclass(frozen=True)
class Choice:
    """A candidate with its estimated score and interval, from ``n`` seeds."""

    candidate: Candidate
    estimate: float
    low: float = math.nan
    high: float = math.nan
    n: int = 1


def finished(study: optuna.Study, space: Space) -> list[Finished]:
    """The trials of a study that say something, each candidate once."""
    found = []
    for trial in History.of(study).taken.values():
        candidate = candidate_of(trial, space)
        if candidate and trial.state in (TrialState.COMPLETE, TrialState.PRUNED):
            rows = tuple(tuple(row) for row in trial.user_attrs.get(BY_SEED, []))
            found.append(Finished(candidate, tuple(trial.values or ()), rows, trial.state == TrialState.PRUNED))
    return found


def choose(trials: Sequence[Finished], k: int) -> list[Choice]:
    """The ``k`` best by score."""
    whole = sorted((t for t in trials if t.values), key=lambda t: -t.values[0])
    return [Choice(t.candidate, t.values[0], n=max(len(t.by_seed), 1)) for t in whole[:k]]
