"""A run of mini in which the declared truth is help, null and harm: the study says so."""

from __future__ import annotations

from pathlib import Path

import mlflow
import pytest

import mlflow_xfer
from mlflow_xfer.reporting.verdict import BETTER, EQUIVALENT, WORSE
from mlflow_xfer.studies.found import study
from mlflow_xfer.tasks.mini import EXPECTED

WRITTEN = Path(__file__).with_name("declared_truth.yaml")
VERDICTS = {"+": BETTER, "-": WORSE, "0": EQUIVALENT}


def declared() -> dict[str, str]:
    """By contrast the verdict that mini's own declaration asks for."""
    asked = {}
    for one in study(str(WRITTEN)).contrasts:
        (task,) = (name for name, weight in one.weights.items() if weight > 0)
        (target,) = one.targets
        asked[one.name] = VERDICTS[EXPECTED[task][target]]
    return asked


def test_the_study_asks_for_one_of_each():
    assert declared() == {"help": BETTER, "harm": WORSE, "null": EQUIVALENT}


@pytest.mark.nightly
def test_help_null_and_harm_that_are_declared_are_found():
    ran = mlflow_xfer.study(study=WRITTEN, workers=2)
    found = mlflow.artifacts.load_dict(f"runs:/{ran.run_id}/verdict.json")
    assert found["status"] == "pre-registered"
    assert {one["name"]: one["verdict"] for one in found["study"]["contrasts"]} == declared()
