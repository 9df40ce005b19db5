"""A finished run as a folder, and the check that repeats it in a home and store of their own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import mlflow_xfer
from mlflow_xfer.commands.repro import _told, _with_files
from mlflow_xfer.errors import XferError
from mlflow_xfer.reporting.cell import Cell
from mlflow_xfer.reporting.repro import Kept
from tests.end_to_end.conftest import ENCODER, QUICK

TAGGING = QUICK | {"target": "pos"}


@pytest.mark.slow
def test_a_folder_repeats_a_cell_in_another_home_and_store(all_runs, tmp_path):
    mlflow_xfer.transfer(model=ENCODER, **TAGGING)
    evaluated = next(run for run in all_runs("phase") if run.data.tags["xfer.phase"] == "evaluate")
    assert "mlflow-xfer repro --check" in mlflow_xfer.repro(evaluated.info.run_id, out="cell")
    spec, digests, results = (
        json.loads(Path("cell", name).read_text()) for name in ("spec.json", "digests.json", "results.json")
    )
    (command,) = spec["commands"]
    assert command["verb"] == "transfer" and command["given"]["seeds"] == "0"
    assert [phase["phase"] for phase in spec["phases"]] == ["pretrain", "intermediate", "target", "evaluate"]
    assert spec["files"] == {"run1.text": QUICK["text"]}
    assert {row["language"] for row in results["scores"]} == {"en", "de"}
    assert len(digests["checkpoints"]) == 3 and len(digests["predictions"]) == 2
    assert {row["task"] for row in digests["data"]} >= {"nli", "pos"}
    assert "torch==" in Path("cell/requirements.lock").read_text()
    subprocess.run(["sh", "-n", "cell/commands.sh"], check=True)

    before = len(all_runs())
    found = mlflow_xfer.repro(check="cell")
    assert found.ok and found.identical and found.share == 1.0 and found.moved == 0.0
    assert "checkpoints equal to the byte: 3 of 3" in found.remarks
    assert len(all_runs()) == before, "the check has a store of its own"
    again = json.loads(Path("cell/again/check.json").read_text())
    assert again["ok"] and sum(row["predictions"] for row in again["rows"]) > 40

    results["scores"][0]["score"] += 1.0
    Path("cell/results.json").write_text(json.dumps(results))
    with pytest.raises(XferError, match="NOT repeated") as refused:
        mlflow_xfer.repro(check="cell")
    assert refused.value.exit_code == 1

    with pytest.raises(XferError, match="not part of the folder"):
        mlflow_xfer.repro(check="cell", files=f"run1.text={tmp_path / 'nowhere'}")
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "en.txt").write_text("Other words than those.\n" * 50)
    with pytest.raises(XferError, match="would be another phase here"):
        mlflow_xfer.repro(check="cell", files=f"run1.text={tmp_path / 'texts'}")


@pytest.mark.slow
def test_a_training_on_raw_text_is_repeated_where_its_weights_are_the_same(tmp_path):
    Path("mini").mkdir()  # a folder of the working directory that is called as a keyword is
    made = mlflow_xfer.pretrain(model=ENCODER, text="mini", max_steps=2)
    mlflow_xfer.repro(made.run_id, out="cell")
    assert json.loads(Path("cell/spec.json").read_text())["files"] == {}
    moved = tmp_path / "a,b" / "cell"
    shutil.copytree("cell", moved)
    found = mlflow_xfer.repro(check=str(moved))
    assert found.ok and found.checkpoints == (1, 1) and not found.rows


def test_a_place_may_have_a_comma_and_must_be_said(tmp_path):
    kept = Kept(tmp_path, {}, [], {"run1.text": "/x", "run1.data": "/y"}, Cell([], [], {}))
    (tmp_path / "a,b=c").mkdir()
    told = _told(kept, [f"run1.text={tmp_path}/a", "b=c", "run1.data=/z"])
    assert told == {"run1.text": f"{tmp_path}/a,b=c", "run1.data": "/z"}
    with pytest.raises(XferError, match="files=run1.text says no place"):
        _with_files(kept, ["run1.text"])


@pytest.mark.slow
def test_a_cell_of_another_machine_is_repeated(tmp_path):
    """``cell`` was written on the machine that its lock file describes, this may be another one; and torch is
    kept from the instructions that the processor there had, so that its sums round otherwise.

    Where results change on purpose: ``sh cell/commands.sh`` in a home and store of its own, and
    ``mlflow-xfer repro RUN --out cell`` of the run that it names.
    """
    cell = shutil.copytree(Path(__file__).with_name("cell"), tmp_path / "cell")
    asked = [sys.executable, "-m", "mlflow_xfer.cli", "repro", "--check", str(cell)]
    subprocess.run(asked, check=True, env=os.environ | {"ATEN_CPU_CAPABILITY": "default"})
    found = json.loads((cell / "again" / "check.json").read_text())
    assert found["ok"] and len(found["rows"]) == 3
    for row in found["rows"]:
        assert row["equal"] >= 0.98 * row["predictions"] > 400 and abs(row["again"] - row["first"]) <= 0.5, (
            row
        )


def test_what_is_asked_must_be_one_thing(tmp_path):
    for asked in ({}, {"run": "a"}, {"run": "a", "out": "b", "check": "c"}):
        with pytest.raises(XferError, match="either writes the folder of a run or checks one"):
            mlflow_xfer.repro(**asked)
    with pytest.raises(XferError, match="is no folder of repro"):
        mlflow_xfer.repro(check=str(tmp_path))
