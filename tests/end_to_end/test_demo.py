"""The demo as a study: arms are conditions, and a repeat trains nothing."""

from __future__ import annotations

from dataclasses import replace

import mlflow
from mlflow import MlflowClient

import mlflow_xfer
from mlflow_xfer.markdown import plain
from mlflow_xfer.reporting.verdict import points
from mlflow_xfer.studies.questions import demo
from tests.conftest import TEXTS
from tests.end_to_end.conftest import ENCODER

QUICK = {
    "model": ENCODER,
    "text": TEXTS,
    "pretrain.max_steps": 3,
    "max_steps": 2,
    "train_batch_size": 4,
    "max_train_examples": 30,
    "max_eval_examples": 8,
    "languages": "en,de",
    "seeds": "0,1",
}
ARMS = tuple(arm for arm in demo.DEMO.arms if arm.name in ("baseline", "attribute", "random encoder"))
"""With and without a baseline, and on another encoder; ``mlflow run`` runs all of them, side by side."""


def test_the_demo_is_a_study_of_conditions(all_runs, steps_in_store, monkeypatch):
    assert len(demo.DEMO.arms) == 7 and len(ARMS) == 3
    monkeypatch.setattr(
        demo, "DEMO", replace(demo.DEMO, arms=ARMS, shared=demo.DEMO.shared | {"target": "choice,retrieval"})
    )
    result = mlflow_xfer.transfer(workers=1, **QUICK)
    (study,) = all_runs("study")
    conditions = all_runs("condition")
    assert result.run_id == study.info.run_id and study.data.tags["xfer.study"] == "demo"
    assert len(conditions) == 3
    assert {run.data.tags["mlflow.parentRunId"] for run in conditions} == {study.info.run_id}
    assert all(run.info.status == "FINISHED" for run in all_runs())
    by_name = {run.data.tags["mlflow.runName"].split(":")[0]: run.data.metrics for run in conditions}
    for arm in ARMS:
        assert by_name[arm.name]["n"] == 2 and ("selected/delta" in by_name[arm.name]) == bool(arm.against)
    transfers = all_runs("transfer")
    assert len(transfers) == 6
    (base,) = (run for run in all_runs("phase") if run.data.tags["xfer.phase"] == "pretrain")
    assert base.data.tags["mlflow.parentRunId"] == study.info.run_id, (
        "all arms stand on it: it is the study's own"
    )
    assert all(run.info.start_time >= base.info.end_time for run in transfers), "it was made before all else"
    hashes = [run.data.tags["xfer.spec_hash"] for run in all_runs("phase")]
    assert len(hashes) == len(set(hashes)), "no phase was trained twice, though several arms want it"
    before = steps_in_store()
    again = mlflow_xfer.transfer(workers=1, **QUICK)
    assert again.run_id == result.run_id and steps_in_store() == before > 0
    shows_its_answer(study, by_name["attribute"])
    says_what_its_page_says(study, again.summary)
    assert set(mlflow_xfer.results(runs=result.run_id)["condition"]) == {arm.name for arm in ARMS}
    assert all(run.data.tags["mlflow.note.content"].startswith("**") for run in conditions)
    assert len({run.data.tags["mlflow.runColor"] for run in conditions}) == 3


def shows_its_answer(study, attribute):
    """In its description, on its page, and before anything is clicked."""
    client, tags = MlflowClient(), study.data.tags
    note = tags["mlflow.note.content"]
    assert (
        note.startswith(f"**{plain(tags['xfer.verdict'])}**")
        and "2 seeds: a demonstration, not a verdict" in note
    )
    assert f"| {points(attribute['selected/delta'], True)} \\[" in note, "differences with intervals"
    artifacts = {one.path for one in client.list_artifacts(study.info.run_id)}
    assert {"report.html", "verdict.json", "plots", "tables"} <= artifacts
    experiment = client.get_experiment(study.info.experiment_id).tags
    first = experiment["mlflow.note.content"].splitlines()[0]
    assert first.startswith(f"**[demo: {plain(tags['xfer.verdict'])}]") and "/artifacts/report.html" in first
    assert experiment["mlflow.experiment.primaryMetric.name"] == "selected/avg"
    assert sum(key.startswith("mlflow.sharedViewState.") for key in experiment) == 3


def says_what_its_page_says(study, summary):
    """On the terminal the verdict of the page, and of its languages the same figures."""
    verdict = mlflow.artifacts.load_dict(f"{study.info.artifact_uri}/verdict.json")
    assert f"{verdict['headline']}." in summary.remarks
    (of_lead,) = (
        one
        for one in verdict["by_task"]
        if verdict["lead"] == {"condition": one["condition"], "task": one["task"]}
    )
    (table,) = (one for one in summary.tables if one.title.startswith(f"{verdict['lead']['task']}: "))
    assert [row[:2] for row in table.rows] == [
        (one["language"], one["estimate"]) for one in of_lead["languages"]["effects"]
    ]
