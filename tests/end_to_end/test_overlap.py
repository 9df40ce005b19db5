"""Overlap of training and test rows: seen before training,
shown in the plan, tagged on runs, left out on request.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import mlflow_xfer
from mlflow_xfer.errors import XferError
from mlflow_xfer.phases import overlaps
from tests.conftest import TEXTS
from tests.end_to_end.conftest import ENCODER

QUICK = {"model": ENCODER, "text": TEXTS, "text_languages": "en", "max_steps": 2, "train_batch_size": 4}
TASKS = """
tasks:
  moods:
    kind: classification
    labels: [good, bad]
    format: tsv
    columns: {text_a: 0, label: 1}
    overlaps: [fruit]
    files: {train: moods.tsv}
  fruit:
    kind: classification
    labels: [good, bad]
    format: tsv
    columns: {text_a: 0, label: 1}
    files:
      train: train.tsv
      validation: dev.tsv
      test: {en: test-en.tsv, de: test-de.tsv}
"""
FOX = "the quick brown fox jumps over the lazy dog near the old river bank every single morning"


@pytest.fixture
def task_file(tmp_path):
    def rows(name, *texts):
        (tmp_path / name).write_text(
            "".join(
                f"{text}\t{label}\n" for text, label in zip(texts, ["good", "bad"] * len(texts), strict=False)
            ),
            "utf-8",
        )

    (tmp_path / "tasks.yaml").write_text(TASKS)
    rows("moods.tsv", "a red apple", "a stone", "Ein Stein!", FOX + " again", "some rain", "the sun")
    rows("train.tsv", "a green pear", "an old shoe", "A red apple.", "a nail")
    rows("dev.tsv", "a plum", "a brick")
    rows("test-en.tsv", "a red apple", "a wet brick", FOX)
    rows("test-de.tsv", "ein Apfel", "ein Stein")
    return str(tmp_path / "tasks.yaml")


def test_overlap_is_declared_in_the_plan_and_measured_on_request(task_file):
    typed = QUICK | {"task_file": task_file, "intermediate": "moods", "target": "fruit"}
    made = mlflow_xfer.plan(**typed)
    assert [(f.training, f.status) for f in made.overlaps] == [
        ("moods", "declared")
    ] and "overlap: moods → fruit:" in made.text()
    measured = {
        f["training"]: f["measured"] for f in mlflow_xfer.plan(overlap=True, **typed).as_dict()["overlaps"]
    }
    assert measured == {
        "moods": {"exact": 2, "near": 1, "shared": 0, "test_rows": 3, "languages": ["en", "de"]},
        "fruit": {"exact": 1, "near": 0, "shared": 0, "test_rows": 1, "languages": ["en"]},
    }
    again = {f["training"]: f["measured"] for f in mlflow_xfer.plan(**typed).as_dict()["overlaps"]}
    assert again == measured, "what was measured is remembered"


def test_overlap_is_tagged_and_left_out_on_request(task_file, client, all_runs, caplog):
    typed = QUICK | {"task_file": task_file, "intermediate": "moods", "target": "fruit"}
    seen = client.get_run(mlflow_xfer.transfer(**typed).run_id)
    assert "moods → fruit" in caplog.text and seen.data.tags[overlaps.STATUS] == "found"
    assert (
        "2 equal, 1 nearly equal" in seen.data.tags[overlaps.DETAILS]
        and "Overlap: moods → fruit" in seen.data.tags["mlflow.note.content"]
    )
    trained = {run.info.run_id for run in all_runs("phase")}

    unseen = client.get_run(mlflow_xfer.transfer(**typed, exclude_overlap="true").run_id)
    new = {run.data.tags["xfer.phase"]: run for run in all_runs("phase") if run.info.run_id not in trained}
    assert set(new) == {"intermediate", "target", "evaluate"}
    assert {phase: run.data.metrics.get("train/excluded_rows") for phase, run in new.items()} == {
        "intermediate": 3,
        "target": 1,
        "evaluate": None,
    }
    assert (
        new["target"].data.params["exclude_overlap"] == "true"
        and new["evaluate"].data.tags[overlaps.STATUS] == "excluded"
    )
    assert (
        unseen.data.tags[overlaps.STATUS] == "excluded"
        and "unseen" in new["target"].data.tags["mlflow.runName"]
    )
    spec = json.loads(
        Path(client.download_artifacts(new["intermediate"].info.run_id, "spec.json")).read_text("utf-8")
    )
    assert [(rows["split"], rows["language"]) for rows in spec["excludes"]] == [
        ("test", "en"),
        ("test", "de"),
        ("validation", "en"),
        ("train", "en"),
    ]


def test_training_on_the_rows_that_select_is_said(task_file, tmp_path):
    (tmp_path / "moods.tsv").write_text("a plum\tgood\na stone\tbad\nsome rain\tgood\n", "utf-8")
    found = {
        (f["training"], f["split"]): f["measured"]
        for f in mlflow_xfer.plan(
            overlap=True, **QUICK, task_file=task_file, intermediate="moods", target="fruit"
        ).as_dict()["overlaps"]
    }
    assert found["moods", "validation"] == {
        "exact": 1,
        "near": 0,
        "shared": 0,
        "test_rows": 1,
        "languages": ["en"],
    }
    assert ("fruit", "validation") not in found and found["moods", "test"]["exact"] == 0


@pytest.mark.slow
def test_more_training_on_the_target_is_the_same_task(task_file, tmp_path, client):
    """By rows, whatever the tasks are called: found before training, kept on the run, outside averages."""
    (tmp_path / "moods.tsv").write_text(
        "A green pear!\tgood\nan old  shoe\tbad\na red apple\tgood\nsome rain\tbad\na brick\tbad\n", "utf-8"
    )
    typed = QUICK | {"task_file": task_file, "intermediate": "moods", "target": "fruit"}
    planned = mlflow_xfer.plan(overlap=True, **typed)
    (same,) = [one for one in planned.as_dict()["overlaps"] if one["split"] == "same task"]
    assert same["measured"] == {
        "train": {"rows": 3, "of": 4, "training_rows": 3, "among": 5},
        "validation": {"rows": 1, "of": 2, "training_rows": 1, "among": 5},
    }
    assert (
        "moods → fruit: same task. 3 of 4 training rows of fruit are among its 5 (75.0%)." in planned.text()
    )

    found = mlflow_xfer.transfer(**typed)
    run = client.get_run(found.run_id)
    assert run.data.tags[overlaps.STATUS] == "same task" and "selected/avg" not in run.data.metrics
    assert run.data.metrics["same_task/fruit"] >= 0 and "fruit (same task)" in found.summary.plain()
    evaluated = next(
        one for made in found.made if "xfer.same_task" in (one := client.get_run(made)).data.tags
    )
    assert (
        evaluated.data.tags["xfer.same_task"] == "moods" and evaluated.data.tags["xfer.phase"] == "evaluate"
    )

    mlflow_xfer.transfer(**typed | {"intermediate": "none"})
    with pytest.raises(XferError, match="nothing to compare"):
        mlflow_xfer.report(runs=found.run_id)
    made = mlflow_xfer.report().report
    assert made.verdict["contrasts"] == [] and list(made.verdict["means"]) == ["none"]
    assert [one["intermediate"] for one in made.verdict["same_task"]] == ["moods"]

    (tmp_path / "moods.tsv").write_text("A green pear!\tgood\nan old  shoe\tbad\na nail\tgood\n", "utf-8")
    with pytest.raises(XferError, match="leaves no row of 'moods'"):
        mlflow_xfer.transfer(**typed, exclude_overlap="true")

    Path(task_file).write_text(TASKS.replace("    overlaps: [fruit]\n", ""))
    search = QUICK | {"task_file": task_file, "pool": "moods", "target": "fruit"}
    with pytest.raises(XferError, match="moods → fruit: same task"):
        mlflow_xfer.search(**search)
