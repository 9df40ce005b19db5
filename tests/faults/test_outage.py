"""The tracking server stopped and started again in the middle of a phase: training goes on, nothing is lost or doubled."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest


class Server:
    """``mlflow server`` on loopback, over a SQLite file that outlives it."""

    def __init__(self, folder: Path):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.folder, self.uri = folder, f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        store = ["--backend-store-uri", f"sqlite:///{self.folder / 'server.db'}", "--artifacts-destination", str(self.folder / "artifacts")]
        command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(self.port), "-w", "1", *store]
        env = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
        env.pop("MLFLOW_TRACKING_URI", None)
        self.process = subprocess.Popen(command, cwd=self.folder, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
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
def server(tmp_path):
    one = Server(tmp_path)
    one.start()
    yield one
    one.stop()


def test_training_goes_on_and_every_metric_arrives_once(server, tmp_path, command):
    from mlflow import MlflowClient

    where = {"MLFLOW_TRACKING_URI": server.uri, "XFER_HOME": str(tmp_path / "home")}
    steps = 400
    training = command("pretrain", "--model", "scratch:xlm-roberta:tiny", "--text_languages", "en,de", "--train_batch_size", "8", "--max_steps", str(steps), **where)
    client = MlflowClient(server.uri)

    def running():
        found = [r for e in client.search_experiments() for r in client.search_runs([e.experiment_id], "tags.xfer.kind = 'phase'")]
        return found[0] if found and found[0].data.metrics.get("train/loss") else None

    training.until(running)
    run_id = running().info.run_id
    server.stop()
    time.sleep(6)
    assert training.process.poll() is None or training.process.returncode == 0, training.text
    server.start()
    assert training.wait() == 0, training.text
    run = client.get_run(run_id)
    assert run.info.status == "FINISHED" and run.data.metrics["train/optimizer_steps"] == steps
    seen = [metric.step for metric in client.get_metric_history(run_id, "train/loss")]
    assert len(seen) == len(set(seen)) > 5 and max(seen) == steps
    calm = command("pretrain", "--model", "scratch:xlm-roberta:tiny", "--text_languages", "en,de", "--train_batch_size", "8", "--max_steps", str(steps), "--reuse", "never", **where)
    assert calm.wait() == 0, calm.text
    other = next(r for e in client.search_experiments() for r in client.search_runs([e.experiment_id], "tags.xfer.kind = 'phase'") if r.info.run_id != run_id)
    history = {metric.step: metric.value for metric in client.get_metric_history(other.info.run_id, "train/loss")}
    assert history == {metric.step: metric.value for metric in client.get_metric_history(run_id, "train/loss")}


def test_a_server_that_is_not_there_is_said_within_half_a_minute(command):
    started = time.monotonic()
    ran = command("pretrain", MLFLOW_TRACKING_URI="http://127.0.0.1:9")
    assert ran.wait(60) == 75
    assert time.monotonic() - started < 40 and "127.0.0.1:9" in ran.text and "Traceback" not in ran.text
