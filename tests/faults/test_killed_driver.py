"""A driver that is killed takes its workers with it, and the same command goes on from there."""

from __future__ import annotations

import subprocess

import pytest

from tests.conditions.conftest import TINY

pytestmark = pytest.mark.slow
COMMAND = [
    "transfer",
    *(part for name, value in TINY.items() for part in (f"--{name}", str(value))),
    *("--seeds", "0,1", "--workers", "2"),
]


def children(pid: int) -> list[int]:
    found = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True)
    return [int(one) for one in found.stdout.split()]


def is_gone(pid: int) -> bool:
    return not subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True).stdout


def test_workers_end_with_their_driver_and_nothing_is_done_twice(command, tmp_path):
    from mlflow import MlflowClient

    place = {
        "XFER_HOME": str(tmp_path / "home"),
        "MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path / 'mlflow.db'}",
    }
    victim = command(*COMMAND, **place)
    victim.until(lambda: "target choice s0: first of its kind" in victim.text)
    workers = children(victim.process.pid)
    assert len(workers) == 2
    victim.kill()
    again = command(*COMMAND, **place)
    assert again.wait() == 0, again.text
    assert all(is_gone(pid) for pid in workers)
    client = MlflowClient(place["MLFLOW_TRACKING_URI"])
    runs = client.search_runs([client.get_experiment_by_name("mlflow-xfer").experiment_id])
    done = [run for run in runs if run.data.tags["xfer.kind"] == "phase" and run.info.status == "FINISHED"]
    hashes = [run.data.tags["xfer.spec_hash"] for run in done]
    assert len(hashes) == len(set(hashes)) == 9
    assert "RUNNING" not in {run.info.status for run in runs}
    parents = [run for run in runs if run.data.tags["xfer.kind"] in ("transfer", "condition")]
    assert {run.info.status for run in parents} == {"FINISHED"} and len(parents) == 3, "it went on in them"


def test_what_nobody_goes_on_with_is_ended_by_the_doctor(command, tmp_path):
    from mlflow import MlflowClient

    place = {
        "XFER_HOME": str(tmp_path / "home"),
        "MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path / 'mlflow.db'}",
    }
    victim = command(*COMMAND, **place)
    victim.until(lambda: "first of its kind" in victim.text)
    said = command("doctor", "--fix", "true", **place)
    assert said.wait() == 0 and "its command is running" in said.text and "ended" not in said.text
    victim.kill()
    said = command("doctor", **place)
    assert said.wait() == 0 and "its command has died" in said.text
    said = command("doctor", "--fix", "true", **place)
    assert said.wait() == 0 and "ended" in said.text
    client = MlflowClient(place["MLFLOW_TRACKING_URI"])
    runs = client.search_runs([client.get_experiment_by_name("mlflow-xfer").experiment_id])
    left = {run.data.tags["xfer.kind"] for run in runs if run.info.status == "RUNNING"}
    assert left <= {"phase"} and "KILLED" in {run.info.status for run in runs}
