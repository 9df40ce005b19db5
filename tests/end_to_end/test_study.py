"""A study of one's own from a file: registered, looked at again with a seed added, and exploratory once it is
changed; what is shared is trained once."""

from __future__ import annotations

import json
from pathlib import Path

import mlflow
import pytest

import mlflow_xfer
from mlflow_xfer.errors import XferError
from tests.conftest import TEXTS
from tests.end_to_end.conftest import ENCODER

STUDY = f"""
name: tiny
question: Does an attribute help?
shared: {{model: {ENCODER}, text: {TEXTS}, target: "choice,pos", seeds: "0,1", max_steps: 2,
  train_batch_size: 4, pretrain.max_steps: 3, max_train_examples: 20, max_eval_examples: 8,
  languages: "de,es,tr"}}
arms:
  - {{name: none, params: {{intermediate: none}}}}
  - {{name: attribute, params: {{intermediate: attribute}}, against: none}}
contrasts:
  - {{name: attribute helps, weights: {{attribute: 1, none: -1}}, primary: true}}
  - {{name: on choice more, weights: {{attribute: 1, none: -1}}, targets: [choice], less: [pos]}}
  - {{name: spread, weights: {{attribute: 1, none: -1}}, kind: spread}}
sections: [spread, arms by targets, domains]
sd: 3.0
"""


def trained(all_runs) -> int:
    return sum(run.data.tags.get("xfer.phase") in ("intermediate", "target") for run in all_runs("phase"))


def verdict(run_id: str) -> dict:
    return mlflow.artifacts.load_dict(f"runs:/{run_id}/verdict.json")


@pytest.mark.slow
def test_a_study_of_ones_own(all_runs, steps_in_store, client):
    path = Path("tiny.yaml")
    path.write_text(STUDY, "utf-8")
    asked = {"study": path, "workers": 1}
    with pytest.raises(XferError, match=r"1 seed allows no interval and no test \(power 0\)"):
        mlflow_xfer.study(**asked, seeds=0)
    with pytest.raises(XferError, match="Unknown language 'dee'"):
        mlflow_xfer.study(**asked, languages="dee")
    assert not all_runs(), "refused before anything is run"

    first = mlflow_xfer.study(**asked)
    tags, found = client.get_run(first.run_id).data.tags, verdict(first.run_id)
    assert tags["xfer.registered"] and json.loads(tags["xfer.registration"])["primary"] == ["attribute helps"]
    registered = client.get_run(first.run_id).info.start_time
    assert all(run.info.start_time >= registered for run in all_runs("phase")), "before the first run"
    assert found["status"] == "pre-registered" and found["study"]["look"] == 1
    assert [one["name"] for one in found["study"]["contrasts"]] == [
        "attribute helps",
        "on choice more",
        "spread",
    ]
    assert (
        found["study"]["contrasts"][0]["level"] == 0.9875 and found["study"]["contrasts"][1]["level"] == 0.95
    )
    assert any("attribute helps" in remark for remark in first.summary.remarks)
    files = {one.path for one in client.list_artifacts(first.run_id)}
    assert {"report.html", "results.parquet", "differences.tex", "registration.json", "plots"} <= files
    page = mlflow.artifacts.load_text(f"runs:/{first.run_id}/report.html")
    assert (
        page.index("Does an attribute help?") < page.index("How it was made") < page.index("All conditions")
    )
    assert "We trained 2 conditions on 2 seeds" in page and "Such a design finds" in page
    assert "What the arms are trained on" in page

    before = steps_in_store()
    assert mlflow_xfer.study(**asked).run_id == first.run_id and steps_in_store() == before

    fits = trained(all_runs)
    second = mlflow_xfer.study(**asked, seeds="0,1,2")
    assert trained(all_runs) == fits + 5, (
        "one seed: an intermediate task, and two targets with and without it"
    )
    assert verdict(second.run_id)["study"]["look"] == 2
    assert verdict(second.run_id)["study"]["contrasts"][0]["level"] == pytest.approx(0.9625)

    before = steps_in_store()
    path.write_text(STUDY + "margin: 2.0\n", "utf-8")
    changed = mlflow_xfer.study(**asked)
    assert changed.run_id not in (first.run_id, second.run_id) and steps_in_store() == before
    assert verdict(changed.run_id)["status"] == "exploratory"
    assert "margin changed since it was registered" in verdict(changed.run_id)["study"]["why_exploratory"]
