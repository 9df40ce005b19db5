"""Verbs as functions in a notebook: the user's active run, experiment and autologging stay as they are."""

from __future__ import annotations

import mlflow
import pytest
from mlflow.tracking import fluent
from mlflow.utils import autologging_utils

import mlflow_xfer
from mlflow_xfer.errors import XferError

TINY = {"model": "scratch:xlm-roberta:tiny", "seed": 0, "max_steps": 2, "max_train_examples": 20}


@pytest.fixture
def autologging(monkeypatch):
    """Switched on as a user does; off again afterwards, and no experiment chosen any more."""
    monkeypatch.setattr(fluent, "_active_experiment_id", None)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_ID", "")  # what `set_experiment` sets is undone afterwards
    mlflow.transformers.autolog(silent=True)
    yield
    mlflow.transformers.autolog(disable=True, silent=True)


def is_on() -> bool:
    return not autologging_utils.autologging_is_disabled("transformers") and not (
        autologging_utils._AUTOLOGGING_GLOBALLY_DISABLED
    )


def two_phases():
    mlflow_xfer.intermediate(**TINY, intermediate="nli")
    mlflow_xfer.target(**TINY, target="pos")


def test_an_active_run_gets_nothing(autologging, client, all_runs):
    experiment = mlflow.set_experiment("Größe & co: 50 % (α/β)").experiment_id
    with mlflow.start_run(run_name="cell") as mine:
        mlflow.log_param("mine", 1)
        two_phases()
        assert mlflow.active_run().info.run_id == mine.info.run_id
        mlflow.log_metric("after", 2.0)
    run = client.get_run(mine.info.run_id)
    assert (run.data.params, run.data.metrics) == ({"mine": "1"}, {"after": 2.0})
    assert run.info.status == "FINISHED" and not [name for name in run.data.tags if name.startswith("xfer.")]
    assert {one.info.experiment_id for one in all_runs()} == {experiment}
    assert len(all_runs()) == 3 and len(all_runs("phase")) == 2


def test_without_an_active_run_none_appears(autologging, all_runs):
    two_phases()
    assert len(all_runs()) == len(all_runs("phase")) == 2 and mlflow.active_run() is None


def test_autologging_is_on_again_afterwards_also_after_an_error(autologging):
    assert is_on()
    mlflow_xfer.intermediate(**TINY, intermediate="nli")
    assert is_on()
    with pytest.raises(XferError):
        mlflow_xfer.target(**TINY, target="nothing of that name")
    assert is_on()


def test_autologging_that_the_user_suspended_stays_suspended(autologging):
    with autologging_utils.disable_autologging():
        with pytest.raises(XferError):
            mlflow_xfer.target(**TINY, target="nothing of that name")
        assert not is_on()
    assert is_on()
