"""``mlflow run`` on the project: every entry point, what the opened run becomes, and how failures end."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import TEXTS

pytestmark = pytest.mark.usefixtures("own_store", "caches")

QUICK = {"max_steps": "4", "train_batch_size": "4"}
TINY = {"model": "scratch:xlm-roberta:tiny", "text": TEXTS}


def mlflow_run(project: Path, entry: str = "main", **values: str) -> subprocess.CompletedProcess:
    arguments = [part for name, value in values.items() for part in ("-P", f"{name}={value}")]
    env = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    command = [
        sys.executable,
        "-m",
        "mlflow",
        "run",
        str(project),
        "-e",
        entry,
        "--env-manager",
        "local",
        *arguments,
    ]
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=1500, check=False)


def latest(kind: str = ""):
    from mlflow import MlflowClient

    client = MlflowClient()
    query = f"tags.xfer.kind = '{kind}'" if kind else ""
    ids = [experiment.experiment_id for experiment in client.search_experiments()]
    return client.search_runs(ids, query, order_by=["attributes.start_time DESC"])


@pytest.mark.slow
def test_the_opened_run_is_what_the_verb_says(project):
    first = mlflow_run(project, "pretrain", **TINY, **QUICK, seed="1")
    assert first.returncode == 0, first.stderr
    (opened,) = latest()
    assert (
        opened.data.tags["xfer.kind"] == "phase"
        and opened.data.tags["mlflow.project.entryPoint"] == "pretrain"
    )
    assert opened.data.params["max_steps"] == "4" and opened.info.status == "FINISHED"
    assert f"/runs/{opened.info.run_id}" in first.stdout, "a link into the UI"

    again = mlflow_run(project, "pretrain", **TINY, **QUICK, seed="1")
    assert again.returncode == 0 and f"reused run {opened.info.run_id}" in again.stderr
    request, _ = latest()
    assert (
        request.data.tags["xfer.kind"] == "request"
        and request.data.tags["xfer.result_run_id"] == opened.info.run_id
    )
    assert (
        request.info.status == "FINISHED"
        and request.data.metrics["train/loss"] == opened.data.metrics["train/loss"]
    )
    assert "train/optimizer_steps" not in request.data.metrics and "xfer.spec_hash" not in request.data.tags


@pytest.mark.slow
def test_main_makes_a_transfer_with_its_phases_as_children(project):
    ran = mlflow_run(
        project, **TINY, **QUICK, intermediate="nli", target="pos", languages="en,de", max_eval_examples="10"
    )
    assert ran.returncode == 0, ran.stderr
    (transfer,) = latest("transfer")
    assert transfer.data.tags["mlflow.project.entryPoint"] == "main"
    assert {run.data.tags["mlflow.parentRunId"] for run in latest("phase")} == {transfer.info.run_id}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"seeed": "1", "max_steps": "x"}, ["2 problems", "Did you mean 'seed'", "max_steps=x"]),
        ({"text": "nowhere"}, ["no such folder"]),
    ],
)
def test_bad_input_fails_the_run_with_one_clear_error(project, values, says):
    ran = mlflow_run(project, "pretrain", **values)
    assert ran.returncode == 1
    assert all(part in ran.stderr for part in says) and "Traceback" not in ran.stderr.split("mlflow.cli")[0]
    assert [run.info.status for run in latest()] == ["FAILED"]


@pytest.mark.nightly
@pytest.mark.timeout(2400)  # the first makes the base of the embedded suite
def test_phases_run_with_no_parameter_at_all(project):
    for entry in ("pretrain", "intermediate", "target", "evaluate"):
        ran = mlflow_run(project, entry)
        assert ran.returncode == 0, ran.stderr
        assert {run.info.status for run in latest()} == {"FINISHED"}
    assert sum(run.data.tags["xfer.phase"] == "pretrain" for run in latest("phase")) == 1, (
        "one base serves all"
    )


@pytest.mark.nightly
@pytest.mark.timeout(900)
def test_main_with_no_task_is_the_demo(project):
    """Small: one seed on a tiny base; ``make demo`` is the same command with no parameter,
    and takes minutes.
    """
    ran = mlflow_run(
        project, **TINY, **QUICK, seeds="0", max_train_examples="20", max_eval_examples="8", languages="en,de"
    )
    assert ran.returncode == 0, ran.stderr
    (study,) = latest("study")
    assert study.data.tags["xfer.study"] == "demo" and study.data.tags["mlflow.project.entryPoint"] == "main"
    assert len(latest("condition")) == 7 and {run.info.status for run in latest()} == {"FINISHED"}
