"""Optuna's storage with patience: each of its calls, and what is not a server that is away."""

from __future__ import annotations

import inspect

import optuna
import pytest
from optuna.exceptions import StorageInternalError, UpdateFinishedTrialError
from optuna.storages import BaseStorage, RDBStorage
from optuna.trial import TrialState
from sqlalchemy.exc import IntegrityError, OperationalError

from mlflow_xfer.durable import patience
from mlflow_xfer.errors import TRY_AGAIN, XferError
from mlflow_xfer.searching.storage.patient import Patient

AWAY = OperationalError("SELECT 1", {}, Exception("the server closed the connection"))


@pytest.fixture
def storage(tmp_path, monkeypatch):
    """On SQLite, which takes the same calls; nobody waits for real."""
    monkeypatch.setattr(patience.time, "sleep", lambda seconds: None)
    return Patient(RDBStorage(f"sqlite:///{tmp_path / 'search.db'}"))


def fails(monkeypatch, storage: Patient, method: str, errors: list, *, after: bool = False) -> list:
    """Let the first calls of the inner storage's ``method`` fail, ``after``: once it has done its work."""
    inner, seen = getattr(storage._storage, method), []

    def call(*args, **options):
        seen.append(method)
        if after and errors:
            inner(*args, **options)
        if errors:
            raise errors.pop(0)
        return inner(*args, **options)

    monkeypatch.setattr(storage._storage, method, call)
    return seen


def wrapped() -> StorageInternalError:
    error = StorageInternalError("An exception is raised during the commit.")
    error.__cause__ = AWAY
    return error


def test_it_states_every_call_that_reaches_the_database():
    """What it takes from the base class as it is reads through the calls that it states."""
    inherited = {
        name
        for name, _ in inspect.getmembers(BaseStorage, inspect.isfunction)
        if not name.startswith("_") and name not in vars(Patient)
    }
    assert inherited == {
        "check_trial_is_updatable",
        "get_n_trials",
        "get_trial_number_from_id",
        "get_trial_param",
        "get_trial_params",
        "get_trial_system_attrs",
        "get_trial_user_attrs",
    }


def test_a_search_runs_through_it(storage):
    study = optuna.create_study(storage=storage, study_name="s", directions=["maximize"])
    study.set_user_attr("a", 1)
    study.enqueue_trial({"x": 0.5}, user_attrs={"b": 2})
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=3)
    again = optuna.load_study(study_name="s", storage=Patient(storage.database))
    assert [t.state for t in again.trials] == [TrialState.COMPLETE] * 3
    assert again.trials[0].params == {"x": 0.5} and again.trials[0].user_attrs == {"b": 2}
    assert again.best_value == study.best_value and again.user_attrs == {"a": 1}
    optuna.delete_study(study_name="s", storage=storage)
    assert storage.get_all_studies() == []


def test_a_server_that_is_away_is_waited_for(storage, monkeypatch):
    seen = fails(monkeypatch, storage, "get_all_studies", [AWAY, wrapped(), AWAY])
    assert storage.get_all_studies() == [] and len(seen) == 4


def test_what_cannot_pass_is_raised_at_once(storage, monkeypatch):
    error = IntegrityError("INSERT", {}, Exception("unique"))
    seen = fails(monkeypatch, storage, "get_all_studies", [error, StorageInternalError("schema")])
    for kind in (IntegrityError, StorageInternalError):
        with pytest.raises(kind):
            storage.get_all_studies()
    assert len(seen) == 2


def test_one_that_stays_away_ends_the_command_so_that_it_can_be_repeated(storage, monkeypatch):
    monkeypatch.setenv("XFER_SERVER_PATIENCE", "0")
    fails(monkeypatch, storage, "get_all_studies", [wrapped()])
    with pytest.raises(XferError, match="the server closed the connection") as caught:
        storage.get_all_studies()
    assert caught.value.exit_code == TRY_AGAIN


def test_a_trial_whose_end_was_written_and_not_answered_has_ended(storage, monkeypatch):
    study = optuna.create_study(storage=storage)
    trial = study.ask()
    fails(monkeypatch, storage, "set_trial_state_values", [AWAY], after=True)
    study.tell(trial, 1.0)
    assert study.trials[0].value == 1.0
    with pytest.raises(UpdateFinishedTrialError):
        storage.set_trial_state_values(trial._trial_id, TrialState.COMPLETE, [2.0])
