"""A chain that takes seconds: tiny random models, few steps, two languages."""

from __future__ import annotations

import shutil

import pytest

QUICK = {
    "text": "mini",
    "text_languages": "en,de",
    "pretrain.max_steps": 4,
    "max_steps": 4,
    "train_batch_size": 4,
    "max_train_examples": 40,
    "max_eval_examples": 20,
    "languages": "en,de",
    "intermediate": "nli",
    "target": "pos,retrieval",
}
ENCODER, DECODER = "scratch:xlm-roberta:tiny", "scratch:llama:tiny"


@pytest.fixture(scope="session")
def blank_store(tmp_path_factory):
    """An empty SQLite store: making its tables takes seconds, copying them does not."""
    from mlflow import MlflowClient

    path = tmp_path_factory.mktemp("store") / "mlflow.db"
    MlflowClient(f"sqlite:///{path}").search_experiments()
    return path


@pytest.fixture(autouse=True)
def store(isolated, blank_store, tmp_path):
    shutil.copy(blank_store, tmp_path / "mlflow.db")


@pytest.fixture
def client():
    """An MLflow client on the test's store."""
    from mlflow import MlflowClient

    return MlflowClient()


@pytest.fixture
def all_runs(client):
    """All runs of the store, of one kind if asked, oldest first."""

    def found(kind: str = ""):
        experiments = [e.experiment_id for e in client.search_experiments()]
        query = f"tags.xfer.kind = '{kind}'" if kind else ""
        return list(client.search_runs(experiments, query, order_by=["attributes.start_time ASC"]))

    return found


@pytest.fixture
def steps_in_store(all_runs):
    """The optimiser steps of all runs together."""
    return lambda: sum(run.data.metrics.get("train/optimizer_steps", 0) for run in all_runs())
