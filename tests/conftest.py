"""Every test has its own store, home and current folder:
MLflow keeps its address and active run in globals.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from pathlib import Path
from types import ModuleType

import pytest
from filelock import FileLock
from hypothesis import settings
from hypothesis.internal.conjecture import providers

from tests.postgresql import postgresql  # noqa: F401 (a fixture)

ROOT = Path(__file__).resolve().parents[1]
TEXTS = str(ROOT / "tests" / "texts")
"""A corpus of 300 lines of English and of German, from the embedded suite:
what takes seconds with all of it takes none.
"""
SLOW = "slow and not nightly"
"""What `make slow` selects."""
MANY = int(os.environ.get("XFER_EXAMPLES", "1"))
"""How many times as many random inputs the tests of file formats draw as by default;
`make nightly` sets it.
"""


def part_of(items):
    """Those of ``items`` that belong to the part ``XFER_PART`` (``i/n``) of them; default: all."""
    part, parts = map(int, os.environ.get("XFER_PART", "1/1").split("/"))
    return items[part - 1 :: parts]


settings.register_profile("patient", deadline=None)  # other jobs may share the machine
settings.load_profile("patient")
# Hypothesis would parse every module of the project and of its tests for values to try: 18 s a process.
providers.is_local_module_file = lambda path: False
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ["HF_HUB_OFFLINE"] = "1"


@pytest.fixture(autouse=True)
def isolated(tmp_path, session_folder, monkeypatch):
    """A fresh XFER_HOME, SQLite store and current folder; no run of the caller's environment. What the code
    says, which takes seconds to parse, is known to all.
    """
    link_caches(tmp_path / "home", session_folder, "code")
    monkeypatch.setenv("XFER_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("XFER_WORK", raising=False)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    for name in ("MLFLOW_RUN_ID", "MLFLOW_EXPERIMENT_ID", "MLFLOW_EXPERIMENT_NAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="session")
def session_folder(tmp_path_factory) -> Path:
    """A folder that all processes of this test session share."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "session"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def blank_store(session_folder) -> Path:
    """An empty SQLite store: making its tables takes seconds, copying them does not."""
    from mlflow import MlflowClient

    path = session_folder / "blank" / "mlflow.db"
    with FileLock(session_folder / "blank.lock"):
        if not path.is_file():
            path.parent.mkdir(exist_ok=True)
            with pytest.MonkeyPatch.context() as there:
                there.chdir(path.parent)  # where the default experiment's artifacts go
                MlflowClient("sqlite:///made.db").search_experiments()
            os.replace(path.with_name("made.db"), path)
    return path


@pytest.fixture
def own_store(isolated, blank_store, tmp_path) -> None:
    """The test's own SQLite store, with MLflow's tables in it."""
    shutil.copy(blank_store, tmp_path / "mlflow.db")


@pytest.fixture
def caches(isolated, session_folder, tmp_path) -> None:
    """The test's home shares its caches of rows and encodings with the session:
    what they hold goes by content and code.
    """
    link_caches(tmp_path / "home", session_folder, "data", "encoded")


def link_caches(home: Path, session_folder: Path, *names: str) -> None:
    """Share these caches of a home with the session; without names all of them."""
    home.mkdir(mode=0o700, exist_ok=True)
    for name in names or ("code", "data", "encoded"):
        (session_folder / name).mkdir(exist_ok=True)
        (home / name).symlink_to(session_folder / name)


@pytest.fixture(scope="session")
def project() -> Path:
    """The root of the checkout."""
    return ROOT


@pytest.fixture(scope="session")
def script():
    """Loads a program that is no part of the package: ``script("benchmarks/grid.py")``; each once."""
    loaded: dict[str, ModuleType] = {}

    def load(path: str) -> ModuleType:
        name = path.removesuffix(".py").replace("/", "_")
        if name not in loaded:
            spec = importlib.util.spec_from_file_location(name, ROOT / path)
            sys.modules[name] = loaded[name] = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(loaded[name])
        return loaded[name]

    return load


@pytest.fixture
def real_data() -> Path:
    """The folder with real data in XTREME's layout; tests that need it are skipped where it is not named."""
    folder = os.environ.get("XFER_REAL_DATA")
    if not folder:
        pytest.skip("XFER_REAL_DATA is not set")
    return Path(folder)


def pytest_collection_finish(session):
    """With real data at hand, a run of the slow tests that collects none of theirs has lost them."""
    config = session.config
    whole = config.args_source.name != "ARGS" or list(config.args) == config.getini(
        "testpaths"
    )  # pytest-xdist names them to its workers
    if os.environ.get("XFER_REAL_DATA") and config.option.markexpr == SLOW and whole:
        found = sum("real_data" in item.fixturenames for item in session.items)
        if not found:
            raise pytest.UsageError("XFER_REAL_DATA is set, but no test with real data was collected.")
