"""Every test has its own store, home and current folder: MLflow keeps its address and active run in globals."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.postgresql import postgresql  # noqa: F401 (a fixture)

ROOT = Path(__file__).resolve().parents[1]

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ["HF_HUB_OFFLINE"] = "1"


@pytest.fixture(autouse=True)
def isolated(tmp_path, monkeypatch):
    """A fresh XFER_HOME, SQLite store and current folder; no run of the caller's environment."""
    monkeypatch.setenv("XFER_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    for name in ("MLFLOW_RUN_ID", "MLFLOW_EXPERIMENT_ID", "MLFLOW_EXPERIMENT_NAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="session")
def project() -> Path:
    """The root of the checkout."""
    return ROOT


@pytest.fixture
def real_data() -> Path:
    """The folder with real data in XTREME's layout; tests that need it are skipped where it is not named."""
    folder = os.environ.get("XFER_REAL_DATA")
    if not folder:
        pytest.skip("XFER_REAL_DATA is not set")
    return Path(folder)


def pytest_collection_finish(session):
    """With real data at hand, a run of the slow tests that collects none of theirs has lost them."""
    if os.environ.get("XFER_REAL_DATA") and session.config.option.markexpr == "slow_ci" and session.config.args_source.name != "ARGS":
        found = sum("real_data" in item.fixturenames for item in session.items)
        if not found:
            raise pytest.UsageError("XFER_REAL_DATA is set, but no test with real data was collected.")
