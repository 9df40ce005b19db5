"""What a search trained, and what reuse, duplicates and pruning saved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import optuna
from optuna.trial import FrozenTrial, TrialState

from mlflow_xfer.searching.storage.history import (
    ALONE,
    COST,
    DUPLICATE_OF,
    NAIVE,
    RUNGS,
    SAVED,
    History,
)


@dataclass(frozen=True)
class Account:
    """What a search trained, and what it would have trained had every trial made its own chain for each
    target and seed.

    ``spent``, ``sharing``, ``duplicates`` and ``pruning`` have the keys ``optimizer_steps``, ``tokens``,
    ``seconds``. ``pruning`` is what stopped trials did not train (steps by their settings, the rest by what
    their own steps took), less the short chains of all others.
    """

    trials: Mapping[str, int]
    spent: Mapping[str, float]
    sharing: Mapping[str, float]
    duplicates: Mapping[str, float]
    pruning: Mapping[str, float]

    def naive(self, counter: str) -> float:
        return self.spent[counter] + self.sharing[counter] + self.duplicates[counter] + self.pruning[counter]


def account(study: optuna.Study) -> Account:
    """The account of a study, from what its trials stored."""
    history = History.of(study)
    counters = ("optimizer_steps", "tokens", "seconds")
    by_number = {trial.number: trial for trial in history.trials}

    def of(trials: Sequence[FrozenTrial], *names: str) -> dict[str, float]:
        return {
            counter: sum(
                float(t.user_attrs.get(name, {}).get(counter, 0.0)) for t in trials for name in names
            )
            for counter in counters
        }

    complete = [t for t in history.counted if t.state == TrialState.COMPLETE]
    pruned = [t for t in history.counted if t.state == TrialState.PRUNED]
    doubles = [
        by_number[t.user_attrs[DUPLICATE_OF]]
        for t in history.live
        if t.user_attrs.get(DUPLICATE_OF) in by_number
    ]
    saved, climbed, whole, alone, own = (
        of(complete, SAVED),
        of(complete, RUNGS),
        of(pruned, NAIVE),
        of(pruned, ALONE),
        of(pruned, COST),
    )
    states = {
        "complete": len(complete),
        "pruned": len(pruned),
        "failed": sum(t.state == TrialState.FAIL for t in history.counted),
        "duplicate": len(doubles),
    }
    sharing = {c: saved[c] + climbed[c] + whole[c] - alone[c] for c in counters}
    pruning = {c: alone[c] - own[c] - climbed[c] for c in counters}
    ended, stopped = (
        of([t for t in doubles if NAIVE not in t.user_attrs], COST, SAVED),
        of([t for t in doubles if NAIVE in t.user_attrs], NAIVE),
    )
    double = {c: ended[c] + stopped[c] for c in counters}
    return Account(states, of(history.trials, COST), sharing, double, pruning)
