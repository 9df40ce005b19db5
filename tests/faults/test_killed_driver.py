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
    assert not [run for run in runs if run.data.tags["xfer.kind"] == "phase" and run.info.status == "RUNNING"]
