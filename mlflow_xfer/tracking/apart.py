"""A home and a tracking store of their own for a while, whatever the caller has set."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mlflow_xfer.tracking.uris import sqlite_uri

CLEARED = ("MLFLOW_RUN_ID", "MLFLOW_EXPERIMENT_ID", "MLFLOW_EXPERIMENT_NAME", "XFER_WORK")
ACTIVE = "_active_experiment_id"  # where MLflow keeps what set_experiment chose


@contextmanager
def apart(folder: Path) -> Iterator[None]:
    """While it lasts, this process and those that it starts use the home and the store in ``folder``."""
    import mlflow
    from mlflow.tracking import fluent

    folder.mkdir(parents=True, exist_ok=True)
    uri = sqlite_uri(folder.absolute() / "mlflow.db")
    own = {"XFER_HOME": str(folder.absolute() / "home"), "MLFLOW_TRACKING_URI": uri}
    before = {name: os.environ.get(name) for name in (*own, *CLEARED)}
    active = getattr(fluent, ACTIVE, None)
    try:
        for name in CLEARED:
            os.environ.pop(name, None)
        os.environ.update(own)
        mlflow.set_tracking_uri(uri)
        setattr(fluent, ACTIVE, None)
        yield
    finally:
        mlflow.set_tracking_uri(None)  # pyright: ignore[reportArgumentType] - then the environment says it
        setattr(fluent, ACTIVE, active)
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value
