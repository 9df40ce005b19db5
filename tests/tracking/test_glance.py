"""A store in a file is looked at without MLflow, and looks as MLflow shows it."""

from __future__ import annotations

import math
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from mlflow.tracking._tracking_service import utils

from mlflow_xfer.errors import XferError
from mlflow_xfer.tracking import checkpoints, glance
from mlflow_xfer.tracking.reuse import ARTIFACTS_TAG
from mlflow_xfer.tracking.store import Store


@pytest.fixture(autouse=True)
def unloaded(monkeypatch):
    """As in a process that has not imported MLflow."""
    monkeypatch.setattr(glance, "sys", type(sys)("sys"))
    glance.sys.modules = {name: module for name, module in sys.modules.items() if name != "mlflow"}


def test_without_runs_until_there_are_some():
    planned = glance.open_to_plan()
    assert isinstance(planned, glance.Glance) and planned.search({"xfer.kind": "phase"}) == []
    assert planned.find_phase("a", "b") is None
    with Store.open(sync=False, probe=False) as store:
        assert planned.uri == store.uri
        run_id = store.start("phase", "first")
        store.finish(run_id)
    with glance.open_to_plan() as asked:
        assert [run.run_id for run in asked.search({"xfer.kind": "phase"})] == [run_id]
    assert asked.get(run_id).name == "first", "the preview of a search looks runs up when it is printed"


def test_runs_and_models_are_seen_as_mlflow_shows_them(tmp_path):
    (tmp_path / "checkpoint").mkdir()
    (tmp_path / "checkpoint" / "config.json").write_text("{}")
    hashes = {"xfer.spec_hash": "s", "xfer.code_hash": "c", ARTIFACTS_TAG: "model,spec.json"}
    with Store.open(sync=False, probe=False) as store:
        made = [store.start("phase", f"run {n}", tags=hashes, params={"n": n}) for n in range(4)]
        for run_id in made[:3]:
            store.metrics(run_id, {"dev/score": 0.5, "train/oddity": math.nan})
            store.dict_artifact(run_id, {"a": 1}, "spec.json")
        checkpoints.publish(store, made[0], tmp_path / "checkpoint")
        for run_id, status in zip(made, ("FINISHED", "FINISHED", "FINISHED", "FAILED"), strict=True):
            store.finish(run_id, status)
        store.client.delete_run(made[2])
        with glance.open_to_plan() as seen:
            assert isinstance(seen, glance.Glance)
            for run_id in made:
                assert repr(seen.get(run_id)) == repr(store.get(run_id))
            for asked in (
                {"status": "FINISHED"},
                {"newest_first": True},
                {"newest_first": True, "limit": 1},
                {"everywhere": False},
            ):
                found = [run.run_id for run in seen.search({"xfer.spec_hash": "s"}, **asked)]
                assert found == [run.run_id for run in store.search({"xfer.spec_hash": "s"}, **asked)]
                assert found
            assert seen.find_phase("s", "c") == store.find_phase("s", "c") == made[0]
            assert seen.find_phase("s", "other") is None
            next(Path(seen.models(made[0], "model")[0].artifact_location).glob("config.json")).unlink()
            assert seen.find_phase("s", "c") is None, "no other has a checkpoint"
        store.client.delete_experiment(store.experiment_id)
        with glance.open_to_plan() as seen:
            assert seen.search({"xfer.spec_hash": "s"}) == []


def test_a_plan_among_runs_imports_no_mlflow(tmp_path):
    """Where it looks runs up, takes one and finds none."""
    with Store.open(sync=False, probe=False) as store:
        run_id = store.start("phase", "first", tags={"xfer.spec_hash": "s", ARTIFACTS_TAG: "spec.json"})
        store.dict_artifact(run_id, {"a": 1}, "spec.json")
        store.finish(run_id)
    asked = (
        "import sys; from mlflow_xfer.tracking.glance import open_to_plan; store = open_to_plan(); "
        "print(store.find_phase('s', None), store.find_phase('t', None), 'mlflow' in sys.modules)"
    )
    said = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert said.stdout.split() == [run_id, "None", "False"]


def test_what_else_is_asked_is_asked_of_mlflow():
    with pytest.raises(XferError, match="No run '0000'"), glance.open_to_plan() as planned:
        planned.get("0000")


def test_a_store_that_is_not_plain_to_see_is_opened(monkeypatch, tmp_path):
    named = {
        "sqlite:///there.db": tmp_path / "there.db",
        "": tmp_path / "mlflow.db",
        "http://127.0.0.1:1": None,
        "sqlite:///:memory:": None,
    }
    for uri, path in named.items():
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        found = glance._file()
        assert found is path is None or found and found.absolute() == path
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    for folder in ("1/models/m-1", "models"):
        (tmp_path / "mlruns" / folder).mkdir(parents=True)
    assert glance._file() == Path("mlflow.db") and not utils._has_existing_mlruns_data()
    (tmp_path / "mlruns" / "1" / "meta.yaml").touch()
    assert glance._file() is None and utils._has_existing_mlruns_data()
    (tmp_path / "odd.db").write_text("no database")
    assert glance._database(tmp_path / "absent.db") is None
    with pytest.raises(sqlite3.Error):
        glance._database(tmp_path / "odd.db")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///no/such/folder/mlflow.db")
    with pytest.raises(XferError, match="does not exist"):
        glance.open_to_plan()
