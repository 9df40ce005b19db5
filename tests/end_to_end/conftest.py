"""A chain that takes seconds: tiny random models, few steps, two languages."""

from __future__ import annotations

import pytest

from tests.conftest import TEXTS

QUICK = {
    "text": TEXTS,
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


@pytest.fixture(autouse=True)
def quick(own_store, caches):
    """A store with its tables, and caches that the session shares."""


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
