"""``--env-manager uv`` builds the environment from conda.yaml and runs an entry point in it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]


def pip_setting(name: str) -> str:
    found = subprocess.run(
        [sys.executable, "-m", "pip", "config", "get", f"global.{name}"],
        capture_output=True,
        text=True,
        check=False,
    )
    return found.stdout.strip()


def test_an_entry_point_runs_in_an_environment_built_from_conda_yaml(project, tmp_path):
    """uv does not read pip's settings, so it gets the same package sources:
    else it resolves torch's CUDA build.
    """
    scripts = Path(sys.executable).parent
    if not (scripts / "uv").exists() and not shutil.which("uv"):
        pytest.fail("uv is not installed: it belongs to the test extra")
    env = {
        **os.environ,
        "PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}",
        "MLFLOW_ENV_ROOT": str(tmp_path / "envs"),
        "UV_INDEX_STRATEGY": "unsafe-best-match",
        "UV_LINK_MODE": "copy",
    }
    for variable, setting in (("UV_FIND_LINKS", "find-links"), ("UV_EXTRA_INDEX_URL", "extra-index-url")):
        if value := pip_setting(setting):
            env.setdefault(variable, value)
    values = {
        "model": "scratch:xlm-roberta:tiny",
        "text": "mini",
        "text_languages": "en,de",
        "max_steps": "2",
        "train_batch_size": "4",
    }
    arguments = [part for name, value in values.items() for part in ("-P", f"{name}={value}")]
    ran = subprocess.run(
        [
            sys.executable,
            "-m",
            "mlflow",
            "run",
            str(project),
            "-e",
            "pretrain",
            "--env-manager",
            "uv",
            *arguments,
        ],
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr[-3000:]

    from mlflow import MlflowClient

    client = MlflowClient()
    (run,) = [r for e in client.search_experiments() for r in client.search_runs([e.experiment_id])]
    assert run.info.status == "FINISHED" and run.data.tags["mlflow.project.env"] == "uv"
    assert run.data.tags["xfer.version.torch"].split("+")[0] == "2.13.0"
