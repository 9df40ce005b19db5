"""Runs of schema 1 are read by everything that reads runs, and are not reused.

``schema_1.tar.xz`` is the store that such a program left of ``transfer model=scratch:xlm-roberta:tiny
intermediate=none target=mood``: its rows as SQL and its artifacts, the weights cut to 16 bits (those of the
base to 0) so that the file stays small.
"""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import pytest

import mlflow_xfer
from tests.end_to_end.conftest import ENCODER, QUICK

KEPT = Path(__file__).with_name("schema_1.tar.xz")
PRETRAIN, TARGET = "06153269ac0448298b03a37853cf37e9", "28008bf70d6b4f9d8b695c6e7755259f"
EVALUATE, TRANSFER = "b462331977884ce98db4bf4e21889669", "d9602ff74a584f8d8088dbb036fb1863"
SAME = QUICK | {"intermediate": "none", "target": "mood"}


@pytest.fixture(autouse=True)
def earlier(isolated, tmp_path, monkeypatch):
    """The earlier program's store is the test's own."""
    shutil.unpack_archive(KEPT, tmp_path)
    rows = (tmp_path / "store.sql").read_text(encoding="utf-8").replace("FOLDER", str(tmp_path))
    with sqlite3.connect(tmp_path / "earlier.db") as store:
        store.executescript(rows)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'earlier.db'}")
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "mlflow-xfer")


def test_earlier_runs_are_read(all_runs, tmp_path):
    assert {run.data.tags["xfer.schema"] for run in all_runs()} == {"1"}
    frame = mlflow_xfer.results()
    assert list(frame["language"]) == ["en", "de"] and set(frame["task"]) == {"mood"}
    assert set(frame["score"]) == {45.0} and set(frame["run_id"]) == {EVALUATE}
    chain = mlflow_xfer.lineage(EVALUATE)
    assert all(name in chain for name in ("evaluate mood", "target mood s0", "pretrain de+en s0", ENCODER))
    assert mlflow_xfer.lineage(TRANSFER)
    own = tmp_path / "own.txt"
    own.write_text("Anna sees a tree.\nBen laughs.\n")
    for run in (TARGET, TRANSFER):
        assert {row["prediction"] for row in mlflow_xfer.predict(run, own)} <= {"bad", "good"}
    assert "mood" in mlflow_xfer.report(runs=TRANSFER).report.html


def test_a_model_of_an_earlier_run_is_trained_further(all_runs):
    made = mlflow_xfer.target(
        model=PRETRAIN, target="mood", max_steps=2, train_batch_size=4, max_train_examples=20
    )
    (run,) = [run for run in all_runs("phase") if run.info.run_id in made.made]
    assert (run.data.tags["xfer.schema"], run.data.tags["xfer.input_run_ids"]) == ("2", PRETRAIN)
    assert mlflow_xfer.lineage(run.info.run_id).count("pretrain de+en s0") == 1


def test_earlier_runs_are_not_reused_and_stand_beside_new_ones(all_runs):
    result = mlflow_xfer.transfer(model=ENCODER, **SAME)
    assert len(result.made) == 3 and not result.reused
    assert {run.data.tags["xfer.schema"] for run in all_runs("phase")} == {"1", "2"}
    assert set(mlflow_xfer.results()["run_id"]) > {EVALUATE}
    assert mlflow_xfer.transfer(model=ENCODER, **SAME).run_id == result.run_id, "those of this schema are"


def test_equal_hashes_under_an_earlier_schema_do_not_count(client, all_runs):
    first = mlflow_xfer.transfer(model=ENCODER, **SAME)
    for run in first.made:
        client.set_tag(run, "xfer.schema", "1")
    again = mlflow_xfer.transfer(model=ENCODER, **SAME | {"target.max_steps": 3})
    assert len(again.made) == 3 and not again.reused
