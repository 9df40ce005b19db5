"""A model that a run made is looked at before the first phase on it, as any other."""

from __future__ import annotations

import random

import pytest

import mlflow_xfer
from mlflow_xfer.errors import XferError
from tests.end_to_end.conftest import ENCODER, QUICK
from tests.families import make_model


def test_a_target_without_a_head_is_refused_before_another_is_trained(tmp_path, all_runs):
    model = make_model("EuroBERT", tmp_path / "model", random.Random(0))
    tuned = mlflow_xfer.intermediate(model=model, intermediate="nli", max_steps=2, max_train_examples=20)
    before = len(all_runs())
    quick = {name: value for name, value in QUICK.items() if name not in ("text", "pretrain.max_steps")}
    with pytest.raises(XferError, match="no span_qa head"):
        mlflow_xfer.transfer(model=tuned.run_id, **quick | {"intermediate": "none", "target": "pos,qa"})
    assert len(all_runs()) == before


def test_an_evaluation_has_the_seeds_of_the_model_it_evaluates(all_runs):
    seeds = [(0, 21), (0, 22), (1, 21), (1, 22)]
    typed = QUICK | {"model": ENCODER, "intermediate": "none", "target": "pos"}
    mlflow_xfer.transfer(**typed, seeds=(21, 22), base_seeds=(0, 1))
    trained = [run.info.run_id for run in all_runs("phase") if run.data.tags["xfer.phase"] == "target"]
    apart = [
        mlflow_xfer.evaluate(model=run_id, target="pos", languages="en,de", max_eval_examples=10).run_id
        for run_id in trained
    ]
    found = mlflow_xfer.results(apart)
    assert len(trained) == 4 and len(found) == 8
    assert sorted(set(zip(found["base_seed"], found["seed"], strict=True))) == seeds
    mlflow_xfer.report(apart)
    assert {run.info.run_name for run in all_runs("phase") if run.info.run_id in apart} == {
        "evaluate pos · baseline · s21",
        "evaluate pos · baseline · s22",
    }
