"""A model that a run made is looked at before the first phase on it, as any other."""

from __future__ import annotations

import random

import pytest

import mlflow_xfer
from mlflow_xfer.errors import XferError
from tests.end_to_end.conftest import QUICK
from tests.families import make_model


def test_a_target_without_a_head_is_refused_before_another_is_trained(tmp_path, all_runs):
    model = make_model("EuroBERT", tmp_path / "model", random.Random(0))
    tuned = mlflow_xfer.intermediate(model=model, intermediate="nli", max_steps=2, max_train_examples=20)
    before = len(all_runs())
    quick = {name: value for name, value in QUICK.items() if name not in ("text", "pretrain.max_steps")}
    with pytest.raises(XferError, match="no span_qa head"):
        mlflow_xfer.transfer(model=tuned.run_id, **quick | {"intermediate": "none", "target": "pos,qa"})
    assert len(all_runs()) == before
