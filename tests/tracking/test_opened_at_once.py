"""An empty database that several hosts open at the same moment: each finds the same experiment."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

OPEN = """
import sys
from mlflow_xfer.tracking.store import Store
import mlflow, mlflow.store.tracking.sqlalchemy_store
print("ready", flush=True)
sys.stdin.readline()
with Store.open() as store:
    run = store.start("request", "a run")
    store.finish(run)
    print(store.experiment_id, flush=True)
"""


def at_once(uri: str, folder: Path, hosts: int = 4) -> list[str]:
    """What processes with a home each say that open ``uri`` when all are ready."""
    processes = []
    for number in range(hosts):
        environment = {**os.environ, "MLFLOW_TRACKING_URI": uri, "XFER_HOME": str(folder / f"home-{number}")}
        command = [sys.executable, "-c", OPEN]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        processes.append(subprocess.Popen(command, env=environment, text=True, cwd=folder, **pipes))
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    said = [process.communicate(timeout=240) for process in processes]
    assert [process.returncode for process in processes] == [0] * hosts, [error[-1500:] for _, error in said]
    return [out.strip() for out, _ in said]


@pytest.mark.slow
def test_an_empty_postgresql_is_opened_by_four_hosts_at_once(postgresql, tmp_path):
    experiments = at_once(postgresql.database().replace("://", "+psycopg2://"), tmp_path)
    assert len(set(experiments)) == 1 and experiments[0]
