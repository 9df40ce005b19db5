"""The tracking server stopped and started again in the middle of a phase:
training goes on, nothing is lost or doubled.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from tests.conftest import TEXTS


class Server:
    """``mlflow server`` on loopback, over a SQLite file that outlives it."""

    def __init__(self, folder: Path, blank: Path):
        shutil.copy(blank, folder / "server.db")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.folder, self.uri = folder, f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        store = [
            "--backend-store-uri",
            f"sqlite:///{self.folder / 'server.db'}",
            "--artifacts-destination",
            str(self.folder / "artifacts"),
        ]
        command = [
            sys.executable,
            "-m",
            "mlflow",
            "server",
            "--host",
            "127.0.0.1",
            "--port",
            str(self.port),
            "-w",
            "1",
            *store,
        ]
        env = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
        env.pop("MLFLOW_TRACKING_URI", None)
        self.process = subprocess.Popen(
            command,
            cwd=self.folder,
            env=env,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        deadline = time.monotonic() + 240
        while time.monotonic() < deadline:
            try:
                if urllib.request.urlopen(f"{self.uri}/health", timeout=2).status == 200:
                    return
            except OSError:
                time.sleep(0.2)
        self.stop()
        raise AssertionError("the server did not start")

    def stop(self) -> None:
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


@pytest.fixture
def server(tmp_path, blank_store):
    one = Server(tmp_path, blank_store)
    one.start()
    yield one
    one.stop()


def test_training_goes_on_and_every_metric_arrives_once(server, tmp_path, command, monkeypatch):
    from mlflow import MlflowClient

    import mlflow_xfer

    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.uri)
    steps = 400
    typed = {"model": "scratch:xlm-roberta:tiny", "text": TEXTS, "train_batch_size": 8, "max_steps": steps}
    training = command(
        "pretrain", *(part for name, value in typed.items() for part in (f"--{name}", str(value)))
    )
    client = MlflowClient(server.uri)

    def running():
        found = [
            r
            for e in client.search_experiments()
            for r in client.search_runs([e.experiment_id], "tags.xfer.kind = 'phase'")
        ]
        return found[0] if found and found[0].data.metrics.get("train/loss") else None

    training.until(running, every=0.1)
    run_id = running().info.run_id
    server.stop()
    time.sleep(3)
    assert training.process.poll() is None or training.process.returncode == 0, training.text
    server.start()
    assert training.wait() == 0, training.text
    run = client.get_run(run_id)
    assert run.info.status == "FINISHED" and run.data.metrics["train/optimizer_steps"] == steps
    seen = [metric.step for metric in client.get_metric_history(run_id, "train/loss")]
    assert len(seen) == len(set(seen)) > 5 and max(seen) == steps
    calm = mlflow_xfer.pretrain(**typed, reuse="never")
    assert calm.run_id != run_id
    history = {metric.step: metric.value for metric in client.get_metric_history(calm.run_id, "train/loss")}
    assert history == {
        metric.step: metric.value for metric in client.get_metric_history(run_id, "train/loss")
    }


def test_a_server_that_is_not_there_is_said_within_half_a_minute(command):
    started = time.monotonic()
    ran = command("pretrain", MLFLOW_TRACKING_URI="http://127.0.0.1:9")
    assert ran.wait(60) == 75
    assert time.monotonic() - started < 40 and "127.0.0.1:9" in ran.text and "Traceback" not in ran.text
