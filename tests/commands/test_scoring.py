"""What the verbs of predictions print."""

from __future__ import annotations

import json

from mlflow_xfer.commands import scoring
from mlflow_xfer.data.unlabelled import Line
from mlflow_xfer.params.lookups import Predict, Score, Submission
from mlflow_xfer.scoring.validation import Finding

ROWS = [
    {"id": 1, "words": ["a", "b"], "prediction": ["X", "Y"]},
    {"id": "b 2", "words": ["tab\there"], "prediction": ["X"], "choices": ["one word", "two"], "note": None},
]


def test_predictions_as_lines():
    typed = Predict(model="m", file="f")
    assert scoring.rows(typed, ROWS).splitlines() == [
        "prediction\tid\twords\tchoices\tnote",
        "X Y\t1\ta b\t\t",
        "X\tb 2\ttab here\tone word | two\t",
    ]
    without = [{**row, "id": Line(number)} for number, row in enumerate(ROWS, 1)]
    assert scoring.rows(typed, without).startswith("prediction\twords\tchoices\tnote\nX Y\ta b\t")
    lines = scoring.rows(typed.model_copy(update={"format": "jsonl"}), ROWS).splitlines()
    assert [json.loads(line) for line in lines] == ROWS


def test_what_a_leaderboard_would_say():
    typed = Submission(runs=("r1",), out="out")
    faults = [Finding("pos", "is not there"), Finding("qa", "is odd", refused=False)]
    assert scoring.findings(typed, ({"pos": "r1"}, faults)).splitlines() == [
        "pos: run r1",
        "refused: pos: is not there",
        "suspicious: qa: is odd",
        "written to out; a leaderboard would refuse it",
    ]
    assert scoring.findings(typed, ({}, faults[1:])).endswith("take it")


def test_figures_in_columns_and_as_json():
    task = {"score": 50.0, "components": {"accuracy": 50.0}, "languages": {"en": {}}}
    found = {
        "suite": "mini",
        "avg": None,
        "avg_trained": 50.0,
        "groups": {"tagging": 50.0},
        "tasks": {"pos": task},
        "missing": ["qa"],
    }
    typed = Score(predictions="p", labels="l")
    lines = [" ".join(line.split()) for line in scoring.figures(typed, found).splitlines()]
    assert {"pos 50.0 1 accuracy 50.0", "tagging 50.0", "mini, on average –", "Missing: qa."} <= set(lines)
    assert json.loads(scoring.figures(typed.model_copy(update={"output": "json"}), found)) == found
