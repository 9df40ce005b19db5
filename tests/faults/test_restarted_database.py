"""PostgreSQL restarted again and again behind a server that asks who one is, while 8 processes log phases."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import Counter

import pytest
from mlflow import MlflowClient

from mlflow_xfer.home import home
from mlflow_xfer.tracking import sync
from tests.conftest import ROOT
from tests.server import Server

WRITERS, PHASES, STEPS = 8, int(os.environ.get("XFER_PHASES", "8")), 5
USER = {"MLFLOW_TRACKING_USERNAME": "admin", "MLFLOW_TRACKING_PASSWORD": "of-the-administrator"}

WRITER = """
import sys, time
import mlflow.store.artifact.artifact_repository_registry, mlflow.utils.rest_utils
from mlflow_xfer.errors import XferError
from mlflow_xfer.tracking.store import Store
for _ in range(20):  # eight at once and one server: who is not served in time begins again
    try:
        store = Store.open()
        break
    except XferError as error:
        assert error.exit_code == 75
name, phases, steps = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
for n in range(phases):
    run = store.start("phase", f"{name}-{n}", tags={"xfer.spec_hash": f"{name}-{n}"}, params={"seed": n})
    for step in range(steps):
        store.metrics(run, {"train/loss": 1 / (step + 1), "train/tokens": step}, step)
        time.sleep(0.05)
    store.table(run, [{"language": "sw", "score": n}], "results/per_language.json")
    store.finish(run, patience=600)
    print(n, flush=True)
sys.exit(store.close())
"""


@pytest.fixture
def guarded(postgresql, tmp_path_factory, monkeypatch):
    """A server whose runs and users lie in PostgreSQL, made the active store."""
    pytest.importorskip("flask_wtf")
    folder = tmp_path_factory.mktemp("server")
    runs, users = (postgresql.database().replace("://", "+psycopg2://") for _ in range(2))
    settings = folder / "auth.ini"
    settings.write_text(
        "[mlflow]\ndefault_permission = READ\nadmin_username = admin\n"
        f"admin_password = {USER['MLFLOW_TRACKING_PASSWORD']}\ndatabase_uri = {users}\n"
        "authorization_function = mlflow.server.auth:authenticate_request_basic_auth\n"
    )
    server = Server(
        folder,
        backend=runs,
        options=("--app-name", "basic-auth"),
        MLFLOW_AUTH_CONFIG_PATH=str(settings),
        MLFLOW_FLASK_SERVER_SECRET_KEY="of this test",
    )
    server.start()
    for name, value in {"MLFLOW_TRACKING_URI": server.uri, **USER}.items():
        monkeypatch.setenv(name, value)
    yield server
    server.kill()


@pytest.mark.nightly
@pytest.mark.timeout(7200)
def test_nothing_is_lost_or_doubled_when_the_database_is_restarted(guarded, postgresql, tmp_path):
    def told() -> int:
        return sum(log.read_text().count("\n") for log in logs)

    logs = [tmp_path / f"writer-{number}.txt" for number in range(WRITERS)]
    writers = []
    for number, log in enumerate(logs):
        command = [sys.executable, "-c", WRITER, f"writer-{number}", str(PHASES), str(STEPS)]
        with log.open("w") as out, log.with_suffix(".err").open("w") as errors:
            environment = {**os.environ, "PYTHONPATH": str(ROOT)}
            writers.append(subprocess.Popen(command, stdout=out, stderr=errors, env=environment))
    restarts = 0
    while any(writer.poll() is None for writer in writers):
        if told() >= (restarts + 1) * WRITERS * PHASES / 5:
            postgresql.stop()
            time.sleep(2)
            postgresql.start()
            restarts += 1
        time.sleep(0.2)
    ends = [writer.returncode for writer in writers]
    assert ends == [0] * WRITERS, [log.with_suffix(".err").read_text()[-2000:] for log in logs]
    assert restarts >= 3

    assert not any(one.left for one in sync.sync())
    client = MlflowClient(guarded.uri)
    experiment = client.get_experiment_by_name("mlflow-xfer").experiment_id
    runs = client.search_runs([experiment], max_results=1000)
    names = Counter(run.data.tags["xfer.spec_hash"] for run in runs)
    assert names == {f"writer-{n}-{p}": 1 for n in range(WRITERS) for p in range(PHASES)}
    assert {run.info.status for run in runs} == {"FINISHED"}
    for run in runs:
        for metric in ("train/loss", "train/tokens"):
            points = client.get_metric_history(run.info.run_id, metric)
            assert sorted(point.step for point in points) == list(range(STEPS)), run.data.tags
        assert run.data.params["seed"] == run.data.tags["xfer.spec_hash"].rsplit("-", 1)[1]
        assert [one.path for one in client.list_artifacts(run.info.run_id, "results")] == [
            "results/per_language.json"
        ]
    assert not [path for path in (home() / "spool").glob("*/*") if (path / "log.jsonl").exists()]
