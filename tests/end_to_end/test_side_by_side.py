"""Transfers on worker processes: each phase once, runs where they belong, and nothing left open."""

from __future__ import annotations

import pytest

import mlflow_xfer
from mlflow_xfer.conditions.crew import workers_of
from mlflow_xfer.errors import XferError
from tests.conditions.conftest import TINY

pytestmark = pytest.mark.usefixtures("caches", "own_store")


def parents(all_runs):
    names = {run.info.run_id: run.info.run_name for run in all_runs()}
    return {
        run.info.run_name: names.get(run.data.tags.get("mlflow.parentRunId", ""), "") for run in all_runs()
    }


def test_seeds_run_side_by_side_and_each_phase_once(all_runs):
    few = TINY | {"target": "mood", "pretrain.max_steps": 2}
    result = mlflow_xfer.transfer(**few, seeds="0,1", workers=2)
    phases = all_runs("phase")
    hashes = [run.data.tags["xfer.spec_hash"] for run in phases]
    assert len(hashes) == len(set(hashes)) == 5 and {run.info.status for run in all_runs()} == {"FINISHED"}
    assert result.metrics["n"] == 2 and len(result.made) == 5
    found = parents(all_runs)
    assert (
        found["target mood · baseline · s0"] == "baseline → mood s0"
        and found["target mood · baseline · s1"] == "baseline → mood s1"
    )
    assert found["pretrain de+en · s0"] == "baseline → mood s0" and found["baseline → mood 2 seeds"] == ""
    one, other = (run.info for run in phases if run.data.tags["xfer.phase"] == "target")
    assert one.start_time < other.end_time and other.start_time < one.end_time, "at the same time"
    (second,) = (run for run in all_runs("transfer") if run.info.run_name == "baseline → mood s1")
    (base,) = (run.info.run_id for run in phases if run.data.tags["xfer.phase"] == "pretrain")
    assert second.data.tags["xfer.reused_from"] == base and base in second.data.tags["xfer.input_run_ids"]
    again = mlflow_xfer.transfer(**few, seeds="0,1", workers=2)
    assert again.run_id == result.run_id and not again.made


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_phase_that_fails_ends_all_that_is_open(all_runs, workers):
    with pytest.raises(XferError, match="fp16 needs a GPU"):
        mlflow_xfer.transfer(**TINY, seeds="0,1", workers=workers, **{"target.precision": "fp16"})
    ended = {run.info.run_name: run.info.status for run in all_runs()}
    failed = [run for run in all_runs() if run.info.status == "FAILED"]
    assert "RUNNING" not in ended.values() and ended["baseline → choice+mood 2 seeds"] == "FAILED"
    assert all("fp16 needs a GPU" in run.data.tags["xfer.error"] for run in failed) and len(failed) >= 3
    beside = {run.data.tags["xfer.kind"] for run in all_runs() if run.info.status == "KILLED"}
    assert beside <= {"phase"} and (workers > 1 or not beside), "what ran beside it can be gone on with"


def test_workers_are_as_many_as_asked_for():
    server, file = "http://tracking:5000", "sqlite:////tmp/mlflow.db"
    assert workers_of(40, server) == 40 and workers_of(4, file) == 4
    assert workers_of("auto", server) >= 1 and 1 <= workers_of("auto", file) <= 4
    with pytest.raises(XferError, match="mlflow server") as caught:
        workers_of(5, file)
    assert caught.value.exit_code == 2
