"""Commands that only read leave nothing behind where there is nothing to read."""

from __future__ import annotations

import pytest

import mlflow_xfer
from mlflow_xfer.errors import XferError

READING = {
    "results": {},
    "report": {},
    "lineage": {"run": "baseline → pos s0"},
    "diff": {"one": "baseline → pos s0", "other": "attribute → pos s0"},
    "publish": {"model": "baseline → pos s0", "out": "out"},
    "repro": {"run": "baseline → pos s0", "out": "out"},
    "submission": {"runs": "baseline → pos s0", "out": "out"},
}


@pytest.mark.parametrize("verb", READING)
def test_no_database_is_made(verb, tmp_path):
    with pytest.raises(XferError, match="no tracking database"):
        getattr(mlflow_xfer, verb)(**READING[verb])
    assert not list(tmp_path.glob("mlflow.db*")) and not (tmp_path / "out").exists()


@pytest.mark.parametrize("verb", READING)
def test_neither_an_experiment_nor_a_run_is_made(verb, own_store):
    from mlflow import MlflowClient

    with pytest.raises(XferError, match="no finished evaluation|There is no run"):
        getattr(mlflow_xfer, verb)(**READING[verb])
    client = MlflowClient()
    assert [one.name for one in client.search_experiments()] == ["Default"]
    assert not client.search_runs(["0"])
