"""A look at a tracking store without MLflow, whose import takes most of the time that a plan takes."""

from __future__ import annotations

import os
import sqlite3
import sys
from collections.abc import Mapping
from contextlib import closing
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import quote

from mlflow_xfer.tracking import endpoint, opening, uris
from mlflow_xfer.tracking.runs import RunView
from mlflow_xfer.tracking.store import DEFAULT_EXPERIMENT, Store

DEFAULT = "sqlite:///mlflow.db"  # MLflow's, in a folder without the files of its earlier versions


class Blank(Store):
    """A store without a run, to plan with: who looks for runs finds none. MLflow is imported, and a database
    made, only for what else is asked."""

    def __init__(self, uri: str):
        self.uri = uri

    @cached_property
    def client(self) -> Any:
        return opening.connect(None, DEFAULT_EXPERIMENT, probe=False, make=False)[0]

    def search(self, tags: Mapping[str, str], **options: Any) -> list[RunView]:
        return []

    def find_phase(self, spec_hash: str, code_hash: str | None, weights: bool = True) -> str | None:
        return None

    def settle(self, run_id: str = "") -> None:
        """Nothing was logged here."""

    def close(self, patience: float = 0.0) -> int:
        return 0


def open_to_plan() -> Store:
    """The store that MLflow's settings name, to look runs up; raises as :meth:`Store.open`."""
    path = None if "mlflow" in sys.modules else _database()
    if path and path.parent.is_dir() and _is_blank(path):
        return Blank(uris.sqlite_uri(path.absolute()))
    path = uris.sqlite_path(uri := endpoint.tracking_uri())
    if path and path.parent.is_dir() and not path.exists():
        return Blank(uri)
    return Store.open(probe=False, make=False)


def _database() -> Path | None:
    """The SQLite file that MLflow would open; None if that is not plain to see."""
    named = os.environ.get("MLFLOW_TRACKING_URI")
    if not named and Path("mlruns").exists():
        return None
    return uris.sqlite_path(named or DEFAULT)


def _is_blank(path: Path) -> bool:
    """Whether the file is not there yet, or holds no run."""
    if not path.exists():
        return True
    try:
        with closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True)) as database:
            return database.execute("SELECT 1 FROM runs LIMIT 1").fetchone() is None
    except sqlite3.Error:  # MLflow says what is wrong with it
        return False
