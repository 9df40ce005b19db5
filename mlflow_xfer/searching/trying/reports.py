"""What trials report while they run: shown, stored, and looked at by the pruner."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from mlflow_xfer.searching.proposing.batches import Batches
from mlflow_xfer.searching.storage.history import BY_SEED, History
from mlflow_xfer.searching.trying.trials import PROBE, SEED_DONE, Observer, Pruned, Trial, hear
from mlflow_xfer.stats.looks import hopeless


@dataclass
class Reports:
    """Where trials report to.

    Args:
        looks: how often the seeds of one trial are looked at, at most; 0: never.
    """

    study: optuna.Study
    batches: Batches
    pruner: optuna.pruners.BasePruner
    seeds: int
    looks: int
    observer: Observer | None = None

    def report(self, own: optuna.Trial, trial: Trial, step: int, value: float, stage: str) -> None:
        """See :class:`Trial`.

        Raises:
            Pruned: never the baseline: all else is compared with it.
        """
        hear(self.observer, "reported", trial, step, value, stage)
        store(own, trial.attrs)
        if len(self.study.directions) > 1:
            return
        if stage == PROBE:
            own.report(float(value), int(step))
            seen = self.batches.seen_by(own)
            if trial.candidate.tasks and self.pruner.prune(seen, frozen(self.study, own)):
                raise Pruned(step, stage)
        elif stage == SEED_DONE:
            done = [*(row[0] for row in own.user_attrs.get(BY_SEED, [])), float(value)]
            own.set_user_attr(BY_SEED, [[v] for v in done])
            looked_at = trial.candidate.tasks and self.looks and len(done) < self.seeds
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


def store(own: optuna.Trial, attrs: Mapping[str, Any]) -> None:
    """Keep notes of a trial in the study."""
    known = own.user_attrs
    for name, value in attrs.items():
        if known.get(name) != value:
            own.set_user_attr(name, value)


def frozen(study: optuna.Study, own: optuna.Trial) -> FrozenTrial:
    """The trial as the study has it now."""
    return study._storage.get_trial(own._trial_id)
