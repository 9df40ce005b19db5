"""Several verbs under one ``MLFLOW_RUN_ID``, as job starters and users' own projects call them."""

from __future__ import annotations

import pytest

import mlflow_xfer

TINY = {"model": "scratch:xlm-roberta:tiny", "seed": 0, "max_steps": 2, "max_train_examples": 20}
VERBS = {
    "intermediate": lambda: mlflow_xfer.intermediate(**TINY, intermediate="nli"),
    "target": lambda: mlflow_xfer.target(**TINY, target="pos"),
}


@pytest.fixture
def job(client, monkeypatch):
    run_id = client.create_run(client.create_experiment("jobs"), run_name="nightly job").info.run_id
    monkeypatch.setenv("MLFLOW_RUN_ID", run_id)
    return run_id


def whole(run):
    info, data = run.info, run.data
    return info.status, info.end_time, data.tags, data.params, data.metrics, run.outputs.model_outputs


@pytest.mark.parametrize("order", [("intermediate", "target"), ("target", "intermediate")])
def test_the_first_becomes_the_run_and_the_second_lies_below_it(client, all_runs, job, monkeypatch, order):
    first = VERBS[order[0]]()
    before = whole(client.get_run(job))
    second = VERBS[order[1]]()
    assert first.run_id == job != second.run_id and whole(client.get_run(job)) == before
    made = client.get_run(second.run_id)
    assert made.data.tags["mlflow.parentRunId"] == job and made.data.tags["xfer.phase"] == order[1]
    assert made.info.experiment_id == client.get_run(job).info.experiment_id
    monkeypatch.delenv("MLFLOW_RUN_ID")
    assert [VERBS[name]().run_id for name in order] == [first.run_id, second.run_id], "both are reused"
    assert len(all_runs()) == 2


def test_a_finished_phase_is_never_turned_into_a_request(client, all_runs, monkeypatch):
    finished, other = VERBS["intermediate"](), VERBS["target"]()
    monkeypatch.setenv("MLFLOW_RUN_ID", finished.run_id)
    before = [whole(run) for run in all_runs()]
    assert VERBS["target"]().run_id == other.run_id and VERBS["intermediate"]().run_id == finished.run_id
    assert [whole(run) for run in all_runs()] == before


def test_a_running_run_becomes_a_request_for_what_exists_once(client, all_runs, job, monkeypatch):
    monkeypatch.delenv("MLFLOW_RUN_ID")
    finished, other = VERBS["intermediate"](), VERBS["target"]()
    monkeypatch.setenv("MLFLOW_RUN_ID", job)
    assert VERBS["intermediate"]().run_id == finished.run_id
    request = client.get_run(job)
    assert (request.data.tags["xfer.kind"], request.data.tags["xfer.result_run_id"], request.info.status) == (
        "request",
        finished.run_id,
        "FINISHED",
    )
    assert VERBS["target"]().run_id == other.run_id and whole(client.get_run(job)) == whole(request)
    assert len(all_runs()) == 3


def test_what_was_interrupted_goes_on_in_the_run_of_its_job(client, job, monkeypatch):
    from mlflow_xfer.tracking import checkpoints

    def away(*args, **options):
        raise KeyboardInterrupt

    with monkeypatch.context() as broken, pytest.raises(KeyboardInterrupt):
        broken.setattr(checkpoints, "publish", away)
        VERBS["target"]()
    assert client.get_run(job).info.status == "KILLED"
    assert VERBS["target"]().run_id == job and client.get_run(job).info.status == "FINISHED"
    assert "mlflow.parentRunId" not in client.get_run(job).data.tags
