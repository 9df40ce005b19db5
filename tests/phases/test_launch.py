"""A phase on several processes as a command runs it: one run in MLflow, whatever happens to a process."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from mlflow import MlflowClient

import mlflow_xfer
from mlflow_xfer.errors import XferError
from mlflow_xfer.params.settings import RuntimeOptions
from mlflow_xfer.phases import launch
from mlflow_xfer.training.parts import NotFinite
from tests.conftest import ROOT, TEXTS

ENDLESS = """
import sys, threading, time
from mlflow_xfer.phases import rank
sys.stdin.readline()
threading.Thread(target=rank.end_with_parent, daemon=True).start()
time.sleep(60)
"""

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


STEPS = """
import json, os, signal, sys, time
rank = json.loads(sys.stdin.readline())["rank"]
def say(**said):
    print(json.dumps(said), flush=True)
def stop(*_):
    say(interrupted=2)
    os._exit(75)
signal.signal(signal.SIGTERM, stop)
if rank == 0:
    say(metrics={"train/loss": 1.0}, step=1)
"""


@pytest.fixture
def ranks_do(tmp_path, monkeypatch):
    """Have ranks run a small program after they have said a figure; what was logged."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(launch, "PROGRAM", "small_rank")
    logged = []

    def start(program: str, log=lambda metrics, step: None):
        (tmp_path / "small_rank.py").write_text(STEPS + program)

        def both(metrics, step):
            logged.append((metrics, step))
            log(metrics, step)

        launch.launch({}, RuntimeOptions(processes=2, device="cpu"), both)
        return logged

    return start


def test_ranks_that_end_well_have_logged_once(ranks_do):
    assert ranks_do("") == [({"train/loss": 1.0}, 1)]


def test_whoever_is_told_of_figures_may_stop_the_training(ranks_do):
    def stop(metrics, step):
        raise XferError("not wanted any more", exit_code=75)

    with pytest.raises(XferError, match="not wanted any more"):
        ranks_do("time.sleep(30) if rank == 0 else os._exit(75 if time.sleep(0.5) else 0)", stop)


def test_an_error_of_one_rank_is_told_and_ends_the_others(ranks_do):
    begun = time.monotonic()
    with pytest.raises(NotFinite, match="diverged"):
        ranks_do(
            "about = {'what': 'It diverged.', 'hint': '', 'exit_code': 2}\n"
            "say(error='NotFinite', about=about) if rank else 0\n"
            "time.sleep(30)"
        )
    assert time.monotonic() - begun < 20


@pytest.mark.parametrize(("end", "code"), [("os.kill(os.getpid(), 9)", 75), ("os._exit(3)", 3)])
def test_the_rank_that_died_is_named_not_the_one_that_waited_for_it(ranks_do, end, code):
    with pytest.raises(XferError, match="Process 1 of 2") as stopped:
        ranks_do(f"if rank:\n    {end}\ntime.sleep(0.5)\nos._exit(75)")
    assert stopped.value.exit_code == code


@pytest.mark.slow
def test_ranks_end_with_the_process_that_started_them(tmp_path):
    """They see the end of their input."""
    order = json.dumps({"rank": 0, "meeting": str(tmp_path / "meeting")})
    one = subprocess.Popen(
        [sys.executable, "-c", ENDLESS], stdin=subprocess.PIPE, env=os.environ | {"PYTHONPATH": str(ROOT)}
    )
    one.stdin.write(order.encode() + b"\n")
    one.stdin.close()
    assert one.wait(60) == 75


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
    monkeypatch.setattr("mlflow_xfer.models.trainable.find_spec", bool)  # as if all packages were there
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
