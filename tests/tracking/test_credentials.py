"""A password in the address of the tracking server is found nowhere after a run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import TEXTS

SECRET = "pa55-of-nobody"


def holding(folder: Path, secret: str) -> list[str]:
    """The files under ``folder`` that hold ``secret``, in a name or in their bytes."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert len(files) > 5
    return [str(path) for path in files if secret in path.name or secret.encode() in path.read_bytes()]


@pytest.mark.slow
def test_a_password_is_left_nowhere(server, tmp_path):
    uri = f"http://someone:{SECRET}@127.0.0.1:{server.port}"
    command = [sys.executable, "-m", "mlflow_xfer.cli", "pretrain", "--model", "scratch:xlm-roberta:tiny"]
    command += ["--text", TEXTS, "--max_steps", "1", "--verbose", "true"]
    environment = {**os.environ, "MLFLOW_TRACKING_URI": uri}
    ran = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=250)
    assert ran.returncode == 0, ran.stderr[-2000:]
    assert SECRET not in ran.stdout + ran.stderr and "127.0.0.1" in ran.stdout + ran.stderr
    environment["MLFLOW_TRACKING_URI"] = uri.replace(str(server.port), "1")  # nobody answers there
    failed = subprocess.run(
        command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=250
    )
    assert failed.returncode == 75 and SECRET not in failed.stdout + failed.stderr
    assert holding(tmp_path, SECRET) == [] and holding(server.folder, SECRET) == []
