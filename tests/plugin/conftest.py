"""One store for all evaluations, and the evaluator as its entry point declares it.

Only environment variables say which store and experiment: ``mlflow.set_tracking_uri`` and ``set_experiment``
would stay set for the tests of other parts.
"""

from __future__ import annotations

import shutil

import pytest


@pytest.fixture(scope="session")
def evaluation_database(tmp_path_factory, blank_store) -> str:
    """Tracking URI of a SQLite store with the experiment ``e``."""
    from mlflow import MlflowClient

    folder = tmp_path_factory.mktemp("evaluations")
    uri = f"sqlite:///{shutil.copy(blank_store, folder)}"
    MlflowClient(uri).create_experiment("e", artifact_location=f"file://{folder}/artifacts")
    return uri


@pytest.fixture
def evaluations(evaluation_database, monkeypatch):
    """A client of that store, which is the active one; runs left open are ended."""
    import mlflow
    from mlflow.models.evaluation.evaluator_registry import _model_evaluation_registry as registry

    from mlflow_xfer.plugin.evaluator import XtremeEvaluator

    if "xtreme" not in registry._registry:
        registry.register("xtreme", XtremeEvaluator)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", evaluation_database)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "e")
    yield mlflow.MlflowClient()
    while mlflow.active_run():
        mlflow.end_run()
