"""A store that holds no run is known without MLflow; any other is asked."""

from __future__ import annotations

import sys

import pytest

from mlflow_xfer.errors import XferError
from mlflow_xfer.tracking import glance
from mlflow_xfer.tracking.store import Store


@pytest.fixture(autouse=True)
def unloaded(monkeypatch):
    """As in a process that has not imported MLflow."""
    monkeypatch.setattr(glance, "sys", type(sys)("sys"))
    glance.sys.modules = {name: module for name, module in sys.modules.items() if name != "mlflow"}


def test_blank_until_there_is_a_run():
    planned = glance.open_to_plan()
    assert isinstance(planned, glance.Blank) and planned.search({"xfer.kind": "phase"}) == []
    assert planned.find_phase("a", "b") is None
    with Store.open(sync=False, probe=False) as store:
        assert planned.uri == store.uri
        run_id = store.start("phase", "first")
        store.finish(run_id)
    with glance.open_to_plan() as asked:
        assert not isinstance(asked, glance.Blank)
        assert [run.run_id for run in asked.search({"xfer.kind": "phase"})] == [run_id]


def test_what_else_is_asked_of_a_blank_store_is_asked_of_mlflow():
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
        found = glance._database()
        assert found is path is None or found and found.absolute() == path
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    (tmp_path / "mlruns").mkdir()
    assert glance._database() is None
    (tmp_path / "odd.db").write_text("no database")
    assert not glance._is_blank(tmp_path / "odd.db") and glance._is_blank(tmp_path / "absent.db")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///no/such/folder/mlflow.db")
    with pytest.raises(XferError, match="does not exist"):
        glance.open_to_plan()
