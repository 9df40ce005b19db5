"""Recipes for clusters: what they say is accepted there, and what a command ends with is mapped.

Neither Slurm nor Kubernetes is here: scripts run with stand-ins of their programs, manifests are held to a
schema.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator

import mlflow_xfer
from mlflow_xfer.conditions.recipes import Wanted, kubernetes, slurm
from mlflow_xfer.errors import XferError

SCHEMA = Draft202012Validator(json.loads((Path(__file__).parent / "batch_job.json").read_text("utf-8")))
WORDS = ("transfer", "--target", "pos,choice", "--prefix", "query: ")
OPTIONS = {
    "array": r"\d+-\d+", "cpus-per-task": r"\d+", "gres": r"gpu:\d+", "job-name": r"\S+", "mem": r"\d+G",
    "nodes": r"\d+", "ntasks-per-node": "1", "open-mode": "append", "requeue": "",
    "signal": r"B:TERM@\d+", "time": r"\d+:\d\d:\d\d",
}  # fmt: skip
"""The options of sbatch that recipes use and what they take, by hand after its manual page."""


def wanted(**more) -> Wanted:
    asked = {"nodes": 3, "cores": 4, "gpus": 1, "memory": 20e9, "disk": 5e9, "hours": 1.5, "image": "xfer:1"}
    return Wanted(WORDS, **(asked | more))


@pytest.mark.parametrize("ray", [False, True])
@pytest.mark.parametrize("gpus", [0, 2])
def test_a_script_for_slurm_is_one(ray, gpus, tmp_path):
    text = slurm(wanted(ray=ray, gpus=gpus))
    script = tmp_path / "job.sh"
    script.write_text(text)
    subprocess.run(["bash", "-n", script], check=True)
    said = dict(re.findall(r"^#SBATCH --([\w-]+)=?(.*)$", text, re.M))
    assert len(said) == text.count("#SBATCH") >= 9
    assert all(re.fullmatch(OPTIONS[name], value) for name, value in said.items()), said
    assert said.keys() >= {"signal", "requeue", "time", "mem"} and ("gres" in said) == bool(gpus)
    assert said["time"] == "01:30:00" and ("array" in said) != ray
    assert said["nodes"] == ("3" if ray else "1"), "of an array each job has one"
    assert "--prefix 'query: '" in text, "words are quoted"
    assert ("--engine ray --ray_address auto" in text) == ray == ("ray symmetric-run" in text)


@pytest.mark.parametrize(("code", "requeued"), [(0, False), (2, False), (75, True), (1, False)])
def test_a_job_goes_on_after_75_alone(code, requeued, tmp_path):
    assert job(tmp_path, f"exit {code}").wait(60) == code
    assert (tmp_path / "requeued").exists() == requeued


def test_a_signal_reaches_the_command_which_saves_and_goes_on(tmp_path):
    saves = "trap 'echo saved >saved; exit 75' TERM; echo >begun; while :; do sleep 0.05; done"
    process = job(tmp_path, saves)
    deadline = time.monotonic() + 60
    while not (tmp_path / "begun").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 75
    assert (tmp_path / "saved").exists() and (tmp_path / "requeued").read_text() == "requeue 7\n"


def job(folder: Path, does: str) -> subprocess.Popen:
    """The script, with a command that does this."""
    programs = folder / "bin"
    programs.mkdir()
    for name, text in {"mlflow-xfer": does, "scontrol": 'echo "$@" >requeued'}.items():
        (programs / name).write_text(f"#!/bin/bash\n{text}\n")
        (programs / name).chmod(0o755)
    (folder / "job.sh").write_text(slurm(wanted()))
    own = {"PATH": f"{programs}:{os.environ['PATH']}", "SLURM_JOB_ID": "7"}
    return subprocess.Popen(["bash", "job.sh"], cwd=folder, env=os.environ | own)


def test_an_indexed_job_fits_the_schema():
    made = yaml.safe_load(kubernetes(wanted()))
    SCHEMA.validate(made)
    spec = made["spec"]
    (container,) = spec["template"]["spec"]["containers"]
    assert container["command"] == ["mlflow-xfer", *WORDS] and spec["completions"] == 3
    assert container["resources"]["limits"] == {"cpu": "4", "memory": "19Gi", "nvidia.com/gpu": "1"}
    actions = {
        rule["onExitCodes"]["values"][0]: rule["action"]
        for rule in spec["podFailurePolicy"]["rules"]
        if "onExitCodes" in rule
    }
    assert actions == {2: "FailIndex", 75: "Ignore"}
    assert "&" not in kubernetes(wanted()), "no anchors"
    made["spec"]["template"]["spec"]["restartPolicy"] = "OnFailure"
    assert not SCHEMA.is_valid(made), "the schema refuses what the API server refuses"


def test_a_job_of_kuberay_has_its_nodes():
    made = yaml.safe_load(kubernetes(wanted(ray=True)))
    cluster = made["spec"]["rayClusterSpec"]
    (workers,) = cluster["workerGroupSpecs"]
    assert workers["replicas"] == workers["minReplicas"] == 3
    assert made["spec"]["entrypoint"].endswith("'query: ' --engine ray --ray_address auto")
    pods = [cluster["headGroupSpec"]["template"]["spec"], workers["template"]["spec"]]
    pod = {"$ref": "#/$defs/podSpec"}
    for one in pods:
        Draft202012Validator({**pod, "$defs": SCHEMA.schema["$defs"]}).validate(
            one | {"restartPolicy": "Never"}
        )


def test_a_recipe_asks_for_what_the_plan_says(own_store, tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///mlflow.db")
    asked = {"intermediate": "none", "target": "choice", "seeds": "1,2", "workers": "2"}
    text = mlflow_xfer.recipe("slurm", nodes=3, gpu="A100-40", processes=2, **asked)
    assert "--gres=gpu:4" in text and "--array=1-3" in text, "two phases at once, of two processes each"
    assert "mlflow-xfer transfer --intermediate none --target choice --seeds 1,2" in text
    plain = mlflow_xfer.recipe("slurm", out="job.sh", **asked)
    assert plain == "written: job.sh" and "gres" not in (tmp_path / "job.sh").read_text()


@pytest.mark.parametrize(
    ("what", "asked"),
    [
        ("A search is one command", {"verb": "search", "nodes": 2}),
        ("Unknown command to spread 'pretrain'", {"verb": "pretrain"}),
        ("does not fit", {"gpu": "T4", "model": "FacebookAI/xlm-roberta-xl", "target": "choice"}),
    ],
)
def test_what_cannot_be_spread_is_refused(what, asked, own_store):
    with pytest.raises(XferError, match=what) as refused:
        mlflow_xfer.recipe("slurm", **asked)
    assert refused.value.exit_code == 2
