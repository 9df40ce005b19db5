"""Batches of candidates: asked for and told together, so that nothing depends on which ends first."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from mlflow_xfer.searching.storage.history import History


@dataclass
class Batches:
    """The trials of a study in batches of ``size``, in the order of their numbers; None: no batches."""

    study: optuna.Study
    size: int | None = None

    def full(self, history: History) -> bool:
        """Whether the last batch that was begun has all its trials."""
        return self.size is not None and self._begun(history) % self.size == 0

    def seen_by(self, trial: optuna.Trial) -> optuna.Study:
        """The study as a look at ``trial`` sees it: without the other trials of its batch."""
        if not self.size:
            return self.study
        counted = [one for one in History.of(self.study).counted if one.state != TrialState.WAITING]
        place = next(n for n, one in enumerate(counted) if one.number == trial.number)
        earlier = {one.number for one in counted[: place // self.size * self.size]}
        storage: Any = Seen(self.study._storage, earlier | {trial.number})
        return optuna.Study(self.study.study_name, storage, self.study.sampler, self.study.pruner)

    @staticmethod
    def _begun(history: History) -> int:
        return sum(one.state != TrialState.WAITING for one in history.counted)


class Seen:
    """A storage that shows some trials only."""

    def __init__(self, storage: optuna.storages.BaseStorage, numbers: set[int]):
        self._storage, self._numbers = storage, numbers

    def get_all_trials(
        self, study_id: int, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        trials = self._storage.get_all_trials(study_id, deepcopy, states)
        return [trial for trial in trials if trial.number in self._numbers]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._storage, name)
