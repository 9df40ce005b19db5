"""What the arms of a study are planned as."""

from __future__ import annotations

import random

import pytest

from mlflow_xfer.errors import XferError
from mlflow_xfer.studies.run import plans_of
from mlflow_xfer.studies.study import Arm, Study
from tests.families import make_model


def test_base_seeds_are_refused_where_no_arm_makes_a_base(store, tmp_path):
    model = str(make_model("BERT", tmp_path / "bert", random.Random(0)))
    shared = {"model": model, "target": "choice", "seeds": "1,2", "base_seeds": "0,1", "intermediate": "none"}
    arms = (Arm("none", {}), Arm("task", {"intermediate": "attribute"}, "none"))
    with pytest.raises(XferError, match=r"base_seeds=0,1: model=.*/bert without text"):
        plans_of(Study("two", "Does it help?", shared, arms), {}, store)
    read_on = (*arms, Arm("text", {"text": "mini"}, "none"))
    plans = plans_of(Study("three", "Does it help?", shared, read_on), {}, store)
    assert {name: len(plan.phases) for name, plan in plans.items()} == {"none": 4, "task": 6, "text": 10}
