"""Optuna's storage on a server that may be restarted meanwhile: every call is repeated while it is away."""

from __future__ import annotations

import logging
from collections.abc import Callable, Container, Sequence
from typing import Any, TypeVar

import optuna
from optuna.distributions import BaseDistribution
from optuna.exceptions import StorageInternalError, UpdateFinishedTrialError
from optuna.storages import BaseStorage, RDBStorage
from optuna.study import StudyDirection
from optuna.study._frozen import FrozenStudy
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.exc import InterfaceError, OperationalError

from mlflow_xfer.durable.patience import retried, server_patience
from mlflow_xfer.errors import TRY_AGAIN, XferError

log = logging.getLogger(__name__)

T = TypeVar("T")


class Patient(BaseStorage):
    """Optuna's own storage, each of whose calls waits for the server for ``$XFER_SERVER_PATIENCE`` seconds
    (600).

    Attributes:
        database: the storage without patience, for locks.
    """

    def __init__(self, database: RDBStorage):
        self.database = database
        self._storage = optuna.storages.get_storage(database)  # with Optuna's cache before it

    # -- studies ---------------------------------------------------------------------------------------------
    def create_new_study(self, directions: Sequence[StudyDirection], study_name: str | None = None) -> int:
        return _patiently(lambda: self._storage.create_new_study(directions, study_name))

    def delete_study(self, study_id: int) -> None:
        _patiently(lambda: self._storage.delete_study(study_id))

    def set_study_user_attr(self, study_id: int, key: str, value: Any) -> None:
        _patiently(lambda: self._storage.set_study_user_attr(study_id, key, value))

    def set_study_system_attr(self, study_id: int, key: str, value: Any) -> None:
        _patiently(lambda: self._storage.set_study_system_attr(study_id, key, value))

    def get_study_id_from_name(self, study_name: str) -> int:
        return _patiently(lambda: self._storage.get_study_id_from_name(study_name))

    def get_study_name_from_id(self, study_id: int) -> str:
        return _patiently(lambda: self._storage.get_study_name_from_id(study_id))

    def get_study_directions(self, study_id: int) -> list[StudyDirection]:
        return _patiently(lambda: self._storage.get_study_directions(study_id))

    def get_study_user_attrs(self, study_id: int) -> dict[str, Any]:
        return _patiently(lambda: self._storage.get_study_user_attrs(study_id))

    def get_study_system_attrs(self, study_id: int) -> dict[str, Any]:
        return _patiently(lambda: self._storage.get_study_system_attrs(study_id))

    def get_all_studies(self) -> list[FrozenStudy]:
        return _patiently(self._storage.get_all_studies)

    # -- trials ----------------------------------------------------------------------------------------------
    def create_new_trial(self, study_id: int, template_trial: FrozenTrial | None = None) -> int:
        return _patiently(lambda: self._storage.create_new_trial(study_id, template_trial))

    def set_trial_param(
        self,
        trial_id: int,
        param_name: str,
        param_value_internal: float,
        distribution: BaseDistribution,
    ) -> None:
        _patiently(
            lambda: self._storage.set_trial_param(trial_id, param_name, param_value_internal, distribution)
        )

    def get_trial_id_from_study_id_trial_number(self, study_id: int, trial_number: int) -> int:
        return _patiently(
            lambda: self._storage.get_trial_id_from_study_id_trial_number(study_id, trial_number)
        )

    def set_trial_state_values(
        self, trial_id: int, state: TrialState, values: Sequence[float] | None = None
    ) -> bool:
        tries = 0

        def call() -> bool:
            nonlocal tries
            tries += 1
            try:
                return self._storage.set_trial_state_values(trial_id, state, values)
            except UpdateFinishedTrialError:
                if tries > 1:  # done, but its answer was lost
                    return True
                raise

        return _patiently(call)

    def set_trial_intermediate_value(self, trial_id: int, step: int, intermediate_value: float) -> None:
        _patiently(lambda: self._storage.set_trial_intermediate_value(trial_id, step, intermediate_value))

    def set_trial_user_attr(self, trial_id: int, key: str, value: Any) -> None:
        _patiently(lambda: self._storage.set_trial_user_attr(trial_id, key, value))

    def set_trial_system_attr(self, trial_id: int, key: str, value: Any) -> None:
        _patiently(lambda: self._storage.set_trial_system_attr(trial_id, key, value))

    def get_trial(self, trial_id: int) -> FrozenTrial:
        return _patiently(lambda: self._storage.get_trial(trial_id))

    def get_all_trials(
        self, study_id: int, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        return _patiently(lambda: self._storage.get_all_trials(study_id, deepcopy, states))

    def get_best_trial(self, study_id: int) -> FrozenTrial:
        return _patiently(lambda: self._storage.get_best_trial(study_id))

    def remove_session(self) -> None:
        self._storage.remove_session()


def said(error: BaseException) -> str:
    """The first line of a database's own message."""
    lines = [line.strip() for line in str(getattr(error, "orig", None) or error).splitlines() if line.strip()]
    return lines[0][:300] if lines else type(error).__name__


def _patiently(call: Callable[[], T]) -> T:
    return retried(
        call,
        server_patience(),
        passing=lambda error: isinstance(_cause(error), (OperationalError, InterfaceError)),
        over=lambda error: XferError(
            f"The storage of the search does not answer: {said(_cause(error))}",
            "Give the same command again once it does: it goes on from here.",
            exit_code=TRY_AGAIN,
        ),
        told=lambda: log.warning("The storage of the search does not answer; waiting for it"),
    )


def _cause(error: BaseException) -> BaseException:
    """What the database raised, where Optuna has wrapped it."""
    return error.__cause__ or error if isinstance(error, StorageInternalError) else error
