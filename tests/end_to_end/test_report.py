"""A report on real runs: read in one go, logged beside them, and honest about three seeds."""

from __future__ import annotations

import json

import pytest

import mlflow_xfer
from mlflow_xfer import cli
from tests.end_to_end.conftest import ENCODER, QUICK


def test_a_report_on_two_conditions(tmp_path, client):
    runs = [
        mlflow_xfer.transfer(
            model=ENCODER, **QUICK | {"intermediate": tasks, "target": "pos", "seeds": "1,2,3"}
        ).run_id
        for tasks in ("none", "nli")
    ]
    frame = mlflow_xfer.results(runs)
    assert (
        len(frame) == 2 * 3 * 2
        and set(frame["condition"]) == {"none", "nli"}
        and set(frame["seed"]) == {1, 2, 3}
    )
    with pytest.raises(SystemExit) as ended:
        cli.main(["report", *runs, "--question", "Does NLI help?", "--out", str(tmp_path / "out")])
    assert ended.value.code == 0
    page = (tmp_path / "out" / "report.html").read_text("utf-8")
    verdict = json.loads((tmp_path / "out" / "verdict.json").read_text("utf-8"))
    assert (
        "Does NLI help?" in page and "<script src" not in page and "http://" not in page.split("</style>")[0]
    )
    assert verdict and "nli" in json.dumps(verdict)
    (run,) = [
        r
        for e in client.search_experiments()
        for r in client.search_runs([e.experiment_id], "tags.xfer.study = 'report'")
    ]
    assert (
        run.info.status == "FINISHED"
        and run.data.tags["xfer.kind"] == "study"
        and "nli" in run.data.tags["mlflow.note.content"]
    )
    assert {"report.html", "verdict.json", "tables"} <= {
        f.path for f in client.list_artifacts(run.info.run_id)
    }
