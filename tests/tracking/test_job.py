"""A run given by ``MLFLOW_RUN_ID`` becomes one command's, while it runs; what has ended is never changed."""

from __future__ import annotations

import pytest

from mlflow_xfer import cli
from mlflow_xfer.errors import XferError
from mlflow_xfer.tracking import drivers, job
from mlflow_xfer.tracking.belonging import runs_below
from mlflow_xfer.tracking.store import Store

ANOTHER = """
import sys
from mlflow_xfer.tracking import job
from mlflow_xfer.tracking.store import Store
with Store.open() as store:
    input()
    print(job.take(store), flush=True)
    input()
"""


@pytest.fixture
def given(store, monkeypatch):
    """A run that a job starter opened, with its id in the environment."""
    run_id = store.client.create_run(store.experiment_id, run_name="nightly job").info.run_id
    monkeypatch.setenv("MLFLOW_RUN_ID", run_id)
    return run_id


def as_stored(store, run_id):
    store.flush()
    run = store.get(run_id)
    return run.status, run.end_time, dict(run.tags), dict(run.params), dict(run.metrics), run.models


def test_it_is_taken_once(store, given):
    assert job.take(store) == given and store.job is None
    store.start("phase", "first", run_id=given, tags={"xfer.phase": "intermediate"})
    store.finish(given)
    before = as_stored(store, given)
    assert job.take(store) is None
    second = store.get(store.start("phase", "second"))
    assert second.run_id != given and second.tags["mlflow.parentRunId"] == given
    assert as_stored(store, given) == before


@pytest.mark.parametrize("status", ["FINISHED", "FAILED", "KILLED", "SCHEDULED"])
def test_what_does_not_run_is_left_alone(store, given, status):
    store.client.update_run(given, status=status)
    before = as_stored(store, given)
    assert job.take(store) is None and store.job == given
    assert as_stored(store, given) == before


@pytest.mark.parametrize("kind", ["phase", "request", "search"])
def test_a_run_of_ours_that_runs_is_left_alone(store, given, kind):
    store.client.set_tag(given, "xfer.kind", kind)
    assert job.take(store) is None and store.job == given


def test_a_run_that_a_user_has_logged_to_is_taken_as_it_is(local_store, monkeypatch):
    run_id = local_store.client.create_run(local_store.experiment_id, run_name="mine").info.run_id
    local_store.client.log_param(run_id, "seed", "user's")
    monkeypatch.setenv("MLFLOW_RUN_ID", run_id)
    assert job.take(local_store) == run_id
    local_store.start("phase", "p", run_id=run_id, params={"seed": 1, "max_steps": 3})
    local_store.flush()
    run = local_store.get(run_id)
    assert (run.params, run.name) == ({"seed": "user's", "max_steps": "3"}, "mine")


def test_the_callers_active_run_is_left_alone(local_store, monkeypatch):
    import mlflow

    run_id = local_store.client.create_run(local_store.experiment_id).info.run_id
    with mlflow.start_run(run_id=run_id):
        monkeypatch.setenv("MLFLOW_RUN_ID", run_id)
        before = as_stored(local_store, run_id)
        assert job.take(local_store) is None and as_stored(local_store, run_id) == before


def test_a_command_that_ended_before_it_opened_the_run_holds_it_no_longer(local_store, monkeypatch, python):
    run_id = local_store.client.create_run(local_store.experiment_id).info.run_id
    monkeypatch.setenv("MLFLOW_RUN_ID", run_id)
    other = python(ANOTHER)
    print("", file=other.stdin, flush=True)
    assert other.stdout.readline().strip() == run_id
    assert job.take(local_store) is None, "a living command is about to become it"
    other.kill()
    other.wait()
    assert job.take(local_store) == run_id == job.take(local_store)


def test_of_two_commands_at_once_one_gets_it(store, given, python):
    others = [python(ANOTHER) for _ in range(3)]
    for other in others:
        print("", file=other.stdin, flush=True)
    answers = [other.stdout.readline().strip() for other in others]
    assert sorted(answers) == sorted(["None", "None", given])


def test_what_is_made_beside_a_job_is_no_part_of_its_result(local_store, monkeypatch):
    """The first command's run is a transfer; a report on it must not count the second command's phases."""
    run_id = local_store.start("transfer", "first")
    local_store.finish(run_id)
    monkeypatch.setenv("MLFLOW_RUN_ID", run_id)
    assert job.take(local_store) is None
    part = local_store.start("phase", "part", parent=run_id, tags={"xfer.phase": "evaluate"})
    beside = local_store.start("phase", "beside", tags={"xfer.phase": "evaluate"})
    every = {run: local_store.get(run) for run in (run_id, part, beside)}
    assert {run.run_id for run in runs_below(every, [every[run_id]])} == {run_id, part}
    assert [run.run_id for run in local_store.children(run_id)] == [part]
    assert every[beside].tags["mlflow.parentRunId"] == run_id and every[beside].parent is None


def test_a_dead_commands_run_beside_a_job_is_gone_on_with(local_store, monkeypatch):
    monkeypatch.setenv("MLFLOW_RUN_ID", local_store.start("transfer", "first"))
    assert job.take(local_store) is None
    made = drivers.open_driven(local_store, "transfer", "t", tags={"xfer.plan_hash": "p"})
    monkeypatch.setattr(drivers, "is_dead", lambda driver: True)
    assert drivers.open_driven(local_store, "transfer", "t", tags={"xfer.plan_hash": "p"}) == made


def test_a_run_that_is_not_there_or_deleted_is_named(local_store, monkeypatch):
    monkeypatch.setenv("MLFLOW_RUN_ID", "0" * 32)
    with pytest.raises(XferError, match="MLFLOW_RUN_ID") as caught:
        job.take(local_store)
    assert caught.value.exit_code == 2
    run_id = local_store.client.create_run(local_store.experiment_id).info.run_id
    local_store.client.delete_run(run_id)
    monkeypatch.setenv("MLFLOW_RUN_ID", run_id)
    with pytest.raises(XferError, match="is deleted") as caught:
        job.take(local_store)
    assert f"restore --run-id {run_id}" in str(caught.value)


def test_new_runs_go_into_the_experiment_of_the_job(store, monkeypatch):
    jobs = store.client.create_experiment(f"jobs of {store.experiment_id}")
    monkeypatch.delenv("MLFLOW_EXPERIMENT_NAME", raising=False)
    monkeypatch.setenv("MLFLOW_RUN_ID", store.client.create_run(jobs).info.run_id)
    with Store.open(probe=False) as opened:
        assert opened.experiment_id == jobs
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "another")
    with Store.open(probe=False) as opened:
        assert opened.client.get_experiment(opened.experiment_id).name == "another", "what the user says"


@pytest.mark.parametrize(
    ("typed", "status"),
    [
        (["target", "--target", "nope"], "FAILED"),
        (["target", "--max_steps", "many"], "FAILED"),
        (["plan", "--target", "nope"], "RUNNING"),
    ],
)
def test_a_command_that_is_refused_ends_the_run_it_would_have_become(local_store, monkeypatch, typed, status):
    with Store.open() as store:
        run_id = store.client.create_run(store.experiment_id, run_name="nightly job").info.run_id
        monkeypatch.setenv("MLFLOW_RUN_ID", run_id)
        with pytest.raises(SystemExit) as ended:
            cli.main(typed)
        found = store.get(run_id)
    assert ended.value.code == 2 and found.status == status
    assert ("xfer.error" in found.tags) == (status == "FAILED")
