"""What a command would run, as text and as JSON; where there is no run, without MLflow."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from functools import partial

import pytest

import mlflow_xfer
from mlflow_xfer import api
from mlflow_xfer.errors import XferError
from mlflow_xfer.params.lookups import Plan
from mlflow_xfer.params.verbs import VERBS
from mlflow_xfer.phases.estimate import Cost, Past, said

SEARCH = {"pool": "attribute,position", "target": "choice"}


def test_every_command_that_runs_phases_is_planned(own_store):
    labels = {
        "pretrain": "pretrain",
        "intermediate": "intermediate nli · s0",
        "target": "target pos · baseline · s0",
        "evaluate": "evaluate retrieval",
        "transfer": "evaluate retrieval",
    }
    for verb, label in labels.items():
        planned = mlflow_xfer.plan(verb)
        assert label in planned.text() and planned.plan.verb == {"transfer": "study"}.get(verb, verb)


def test_a_study_is_refused_in_the_words_of_the_study_command(own_store):
    for asked in ({"study": "replicate", "scale": "small"}, {"study": "domain", "target": "choice"}):
        said = []
        for command in (partial(mlflow_xfer.plan, "study"), mlflow_xfer.study):
            with pytest.raises(XferError) as error:
                command(**asked)
            said.append(str(error.value))
        assert said[0] == said[1]
    assert "Unknown target" in said[0]
    with pytest.raises(XferError, match="Study replicate at scale small needs .*\n  Give model and data"):
        mlflow_xfer.plan("study", study="replicate", scale="small")


def test_printed_as_json(own_store):
    verb = VERBS["plan"]
    params = verb.read({"verb": "search", "json": True, **SEARCH})
    found = json.loads(api.printed(verb, params, api.call(verb, params)) or "")
    assert found["verb"] == "search" and len(found["candidates"]) == 4
    params = verb.read({"intermediate": "nli", "target": "pos"})
    assert "target pos · nli · s0" in (api.printed(verb, params, api.call(verb, params)) or "")


def test_a_dry_run_shows_the_plan(own_store):
    found = mlflow_xfer.search(**SEARCH, dry_run=True)
    assert not found.run_id and mlflow_xfer.plan("search", **SEARCH).text() == found.summary.plain()


@pytest.mark.parametrize(
    "odd", [{"storage": "foo://x"}, {"storage": "sqlite:////none/x.db"}, {"study_name": ""}]
)
def test_a_dry_run_refuses_what_the_search_refuses(own_store, odd):
    with pytest.raises(XferError) as planned:
        mlflow_xfer.search(**SEARCH, **odd, dry_run=True)
    with pytest.raises(XferError) as run:
        mlflow_xfer.search(**SEARCH, **odd)
    assert str(planned.value) == str(run.value)


def test_without_a_run_neither_mlflow_nor_a_database_is_needed(tmp_path):
    code = (
        "import sys, mlflow_xfer\n"
        f"print(mlflow_xfer.plan('search', **{SEARCH}).text())\n"
        "assert not {'mlflow', 'torch'} & set(sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert "8 to run, 0 reused" in ran.stdout and not (tmp_path / "mlflow.db").exists()


def test_hours_have_a_price_where_they_are_known():
    cost = Cost(steps=100, tokens=2e6, seconds=5400, disk=0)
    assert said(cost, Past()).startswith("about 2.0 million tokens in 100 steps, 90 min of one process, 0 MB")
    assert ", 90 min of one process at 2.5 an hour: 3.75, " in said(cost, Past(price=2.5))
    assert "hour" not in said(Cost(100, 2e6, math.nan), Past(price=2.5))
    assert Plan(price=2.5).price == 2.5
