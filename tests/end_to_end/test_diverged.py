"""What diverges ends FAILED with step and learning rate, and is neither published nor built upon."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

import mlflow_xfer
from mlflow_xfer.errors import XferError
from mlflow_xfer.home import home
from mlflow_xfer.models.load import save
from mlflow_xfer.models.scratch import build_scratch
from mlflow_xfer.models.tokenizer import train_tokenizer
from mlflow_xfer.phases import gate
from tests.conftest import TEXTS
from tests.end_to_end.conftest import ENCODER

CHAIN = {
    "intermediate": "nli",
    "target": "pos",
    "languages": "de",
    "max_steps": 6,
    "max_train_examples": 30,
    "max_eval_examples": 8,
}


@pytest.fixture
def model(tmp_path):
    """A folder with an encoder of random weights."""
    lines = [line for file in sorted(Path(TEXTS).glob("*.txt")) for line in file.read_text().splitlines()]
    tokenizer = train_tokenizer(lines, 400, "xlm-roberta")
    return save(build_scratch("xlm-roberta", "tiny", tokenizer, 0), tokenizer, tmp_path / "model")


def fails(verb, **typed) -> str:
    with pytest.raises(XferError) as caught:
        verb(**typed)
    assert caught.value.exit_code == 2
    return str(caught.value)


def models(client):
    return client.search_logged_models([e.experiment_id for e in client.search_experiments()])


def test_an_intermediate_phase(model, client, all_runs):
    options = CHAIN | {"model": str(model), "intermediate.learning_rate": 1e30}
    said = fails(mlflow_xfer.transfer, **options)
    assert "intermediate nli s0" in said and "step" in said and "learning_rate=1e+30" in said
    (phase,) = all_runs("phase")
    assert phase.info.status == "FAILED" and "learning_rate=1e+30" in phase.data.tags["xfer.error"]
    assert not list(models(client)), "nothing is published"
    assert not list((home() / "work").iterdir()), "nothing is left to go on from"
    fails(mlflow_xfer.transfer, **options)
    assert [run.info.status for run in all_runs("phase")] == ["FAILED", "FAILED"]


def test_a_merge_of_weights_too_large_to_add(model, client, all_runs):
    options = CHAIN | {"model": str(model), "intermediate": "nli,types", "combine": "merge", "max_steps": 2}
    options["intermediate.learning_rate"] = 10.0  # so that they change by more than 1
    said = fails(mlflow_xfer.transfer, **options, merge_method="task_arithmetic", merge_weight=3e38)
    assert "not finite" in said and "merge" in said
    merge = next(run for run in all_runs("phase") if "merge" in run.info.run_name)
    assert merge.info.status == "FAILED" and "xfer.model_id" not in merge.data.tags


def test_a_model_that_had_diverged_elsewhere(model, all_runs):
    tensors = load_file(model / "model.safetensors")
    name = sorted(tensors)[3]
    tensors[name].view(-1)[0] = torch.nan
    save_file(tensors, model / "model.safetensors", metadata={"format": "pt"})
    for verb, target in ((mlflow_xfer.evaluate, "retrieval"), (mlflow_xfer.target, "pos")):
        assert name in fails(verb, model=str(model), target=target)
    assert not all_runs()


@pytest.mark.parametrize("how", ["ended", "deleted"])
def test_a_run_that_its_user_ended_gets_no_model(client, all_runs, monkeypatch, how):
    usual, asked = gate.is_whole, {"model": ENCODER, "target": "pos", "max_steps": 2}

    def meanwhile(folder):
        run_id = next(run.info.run_id for run in all_runs("phase") if run.info.status == "RUNNING")
        client.set_terminated(run_id, "FINISHED") if how == "ended" else client.delete_run(run_id)
        return usual(folder)

    with monkeypatch.context() as patched, pytest.raises(XferError, match=how) as caught:
        patched.setattr(gate, "is_whole", meanwhile)
        mlflow_xfer.target(**asked, max_train_examples=20)
    assert caught.value.exit_code == 75 and not list(models(client))
    done = mlflow_xfer.target(**asked, max_train_examples=20)
    assert client.get_run(done.run_id).info.status == "FINISHED" and len(list(models(client))) == 1
