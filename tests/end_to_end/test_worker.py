"""A worker joins a search that another process began, and refuses what would mix other results in."""

from __future__ import annotations

import pytest

import mlflow_xfer
from mlflow_xfer.errors import XferError
from mlflow_xfer.searching.joining import PRINT
from mlflow_xfer.searching.opening import join_study
from mlflow_xfer.searching.place import place
from tests.end_to_end.conftest import ENCODER, QUICK
from tests.faults.conftest import command  # noqa: F401 (a fixture)

TINY = {name: value for name, value in QUICK.items() if name not in ("intermediate", "target")} | {
    "max_steps": 3,
    "max_eval_examples": 10,
}
SEARCH = {
    **TINY,
    "model": ENCODER,
    "pool": "nli,attribute",
    "target": "choice",
    "seeds": "0",
    "workers": 1,
    "confirm_top": 0,
    "study_name": "tiny",
}


def test_a_worker_finds_the_search_and_refuses_another_machines_results(
    all_runs, steps_in_store, tmp_path, monkeypatch
):
    with pytest.raises(XferError, match="There is none"):
        mlflow_xfer.worker()
    search = mlflow_xfer.search(**SEARCH | {"n_trials": 1})
    before = steps_in_store(), len(all_runs())
    assert mlflow_xfer.worker().run_id == search.run_id
    assert (steps_in_store(), len(all_runs())) == before, "its trials are done"

    with pytest.raises(XferError, match="There are: tiny"):
        mlflow_xfer.worker(study_name="other", storage=str(place("auto", "tiny").path))
    with monkeypatch.context() as elsewhere, pytest.raises(XferError, match="logs to .*mlflow.db"):
        elsewhere.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'another.db'}")
        mlflow_xfer.worker()
    join_study(place("auto", "tiny"), "tiny").set_user_attr(PRINT, "of other data")
    with pytest.raises(XferError, match="data or code"):
        mlflow_xfer.worker()
    assert len(all_runs("trial")) == 1


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_killed_searchs_trials_are_finished_by_a_worker_that_joins(
    all_runs,  # noqa: F811
    tmp_path,
    command,  # noqa: F811
):
    """The trial that ran when the search was killed is run by the worker;
    the same command then finds nothing left to train.
    """
    typed = [
        part
        for name, value in (SEARCH | {"n_trials": 4, "max_steps": 100}).items()
        for part in (f"--{name}", str(value))
    ]
    first = command("search", *typed)
    first.until(
        lambda: any(
            "train/loss" in run.data.metrics and run.data.tags["xfer.phase"] == "target"
            for run in all_runs("phase")
        ),
        900,
    )
    first.kill()
    joined = command("worker", "--study_name", "tiny")
    assert joined.wait(900) == 0, joined.text
    assert "its candidate is queued again" in joined.text
    trials = all_runs("trial")
    assert sorted(run.data.tags["xfer.tasks"] for run in trials if run.info.status == "FINISHED") == [
        "attribute",
        "attribute,nli",
        "nli",
        "none",
    ]
    phases = [(run.data.tags["xfer.spec_hash"], run.info.status) for run in all_runs("phase")]
    assert len({spec for spec, _ in phases}) == len(phases) and {status for _, status in phases} == {
        "FINISHED"
    }
    again = command("search", *typed)
    assert again.wait(900) == 0, again.text
    assert len(all_runs("phase")) == len(phases) and all_runs("search")[0].info.status == "FINISHED"
    assert {run.info.status for run in all_runs()} <= {"FINISHED", "FAILED"}
