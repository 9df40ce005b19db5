"""The tracking server stopped and started again in the middle of a phase:
training goes on, nothing is lost or doubled.
"""

from __future__ import annotations

import time

import pytest

from tests.conftest import TEXTS
from tests.server import Server


@pytest.fixture
def server(tmp_path_factory, blank_store):
    one = Server(tmp_path_factory.mktemp("server"), blank_store)
    one.start()
    yield one
    one.kill()


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
    server.kill()
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
