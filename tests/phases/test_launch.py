"""A phase on several processes as a command runs it: one run in MLflow, whatever happens to a process."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import threading
import time
from pathlib import Path

import pytest
from mlflow import MlflowClient

import mlflow_xfer
from mlflow_xfer.errors import XferError
from mlflow_xfer.params.settings import RuntimeOptions
from mlflow_xfer.phases import launch
from tests.conftest import TEXTS

PHASE = {
    "model": "scratch:xlm-roberta:tiny", "text": TEXTS, "train_batch_size": 8, "max_steps": 60,
    "save_every_steps": 5, "processes": 2,
}  # fmt: skip


def ranks() -> list[int]:
    """The processes of ranks that this one has started."""
    found = subprocess.run(
        ["ps", "-o", "pid=,args=", "--ppid", str(os.getpid())], capture_output=True, text=True
    )
    return [int(line.split()[0]) for line in found.stdout.splitlines() if launch.PROGRAM in line]


def kill_one(work: Path) -> None:
    """SIGKILL for a rank as soon as a state is whole."""
    while not any(work.glob("*/resume/step-*/manifest.json")):
        time.sleep(0.05)
    os.kill(max(ranks()), signal.SIGKILL)


@pytest.mark.slow
def test_a_killed_rank_ends_the_phase_which_goes_on_in_its_run(caches, own_store, tmp_path, caplog):
    threading.Thread(target=kill_one, args=(tmp_path / "home" / "work",), daemon=True).start()
    with pytest.raises(XferError, match="SIGKILL") as stopped:
        mlflow_xfer.pretrain(**PHASE, parallel="fsdp")
    assert stopped.value.exit_code == 75 and not ranks()
    client = MlflowClient()
    (experiment,) = [one for one in client.search_experiments() if one.name == "mlflow-xfer"]
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.info.status == "KILLED" and run.data.params["processes"] == "2"
    with caplog.at_level(logging.INFO):
        done = mlflow_xfer.pretrain(**{**PHASE, "processes": 1})
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.info.run_id == done.run_id and run.info.status == "FINISHED"
    assert f"resumed in run {run.info.run_id}" in caplog.text, "of one process, with what two had done"
    steps = [point.step for point in client.get_metric_history(run.info.run_id, "train/loss")]
    assert steps == sorted(set(steps)) and steps[-1] == 60


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"train_batch_size": 1}, "a batch has 1 rows; each process takes at least one"),
        ({"parallel": "fsdp", "precision": "bf16", "optimizer": "adamw8bit"}, "optimizer=adamw8bit"),
        ({"device": "cuda"}, "each takes a GPU; GPUs here: 0"),
    ],
)
def test_what_several_processes_cannot_do_is_said_before_anything_is_trained(
    caches, own_store, monkeypatch, asked, said
):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setattr(launch, "launch", lambda *_: pytest.fail("something was trained"))
    with pytest.raises(XferError, match=said) as refused:
        mlflow_xfer.pretrain(**{**PHASE, **asked})
    assert refused.value.exit_code == 2 and len(str(refused.value).splitlines()) == 2


def test_as_many_processes_as_gpus(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,5")
    launch.check_gpus(RuntimeOptions(processes=2))
    with pytest.raises(XferError, match="GPUs here: 2"):
        launch.check_gpus(RuntimeOptions(processes=3))
    launch.check_gpus(RuntimeOptions(processes=3, device="cpu"))
