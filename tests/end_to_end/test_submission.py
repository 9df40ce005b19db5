"""From runs to a folder that XTREME's scorer reads, and from such folders to scores."""

from __future__ import annotations

import json

import pytest

import mlflow_xfer
from mlflow_xfer import cli
from mlflow_xfer.errors import XferError
from tests.end_to_end.conftest import ENCODER, QUICK


def test_the_best_run_by_dev_is_submitted_and_scored(tmp_path, all_runs, capsys):
    runs = [
        mlflow_xfer.transfer(model=ENCODER, **QUICK | {"target": "pos", "target.max_steps": steps}).run_id
        for steps in (2, 40)
    ]
    chosen, findings = mlflow_xfer.submission(runs, tmp_path / "out", "mini")
    dev = {
        r.info.run_id: r.data.metrics["dev/pos/en/selected"]
        for r in all_runs("phase")
        if r.data.tags["xfer.phase"] == "target"
    }
    best = max(dev, key=dev.get)
    evaluation = next(r for r in all_runs("phase") if r.info.run_id == chosen["pos"])
    assert evaluation.data.tags["xfer.input_run_ids"] == best and len(set(dev.values())) == 2
    assert sorted(p.name for p in (tmp_path / "out" / "pos").iterdir()) == ["test-de.tsv", "test-en.tsv"]
    assert any(f.refused and "retrieval" in str(f) for f in findings), "a leaderboard wants every task"
    with pytest.raises(XferError, match="not empty"):
        mlflow_xfer.submission(runs, tmp_path / "out", "mini")

    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        cli.main(
            [
                "score",
                "--predictions",
                str(tmp_path / "out"),
                "--labels",
                str(tmp_path / "out"),
                "--suite",
                "mini",
                "--track",
                "true",
                "--output",
                "json",
            ]
        )
    said = capsys.readouterr()
    found = json.loads(said.out)
    assert (
        ended.value.code == 0
        and found["suite"] == "mini"
        and found["avg"] is None
        and "retrieval" in found["missing"]
    )
    assert found["tasks"]["pos"]["languages"]["de"]["components"]["accuracy"] == 100
