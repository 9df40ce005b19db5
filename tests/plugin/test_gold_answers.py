"""Gold answers in a frame: what is read, and what is refused because it would be other answers."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

mlflow = pytest.importorskip("mlflow")

from mlflow_xfer.errors import XferError  # noqa: E402

pytestmark = pytest.mark.usefixtures("evaluations")
ANSWERS = {"text": ["Rom", "Roma"], "answer_start": [3, 3]}


def evaluate(gold, mine="Rom", task="xquad", **config) -> float:
    data = pd.DataFrame({"task": task, "lang": "de", "gold": pd.Series([gold], dtype=object), "mine": [mine]})
    result = mlflow.models.evaluate(
        None,
        data,
        targets="gold",
        predictions="mine",
        model_type="xtreme",
        evaluators="xtreme",
        evaluator_config=config,
    )
    return result.metrics[f"eval/{task}/de"]


@pytest.mark.parametrize(
    "gold",
    [
        "Rom",
        ["Roma", "Rom"],
        ("Rom",),
        ANSWERS,
        {"text": np.array(["Rom"], object)},
        {"text": "Rom"},
        [{"text": "Rom", "answer_start": 3}],
    ],
    ids=str,
)
def test_answers_are_read_in_every_shape(gold):
    assert evaluate(gold) == 100


@pytest.mark.parametrize("write", [json.dumps, str, lambda answers: json.dumps(answers, indent=1)])
@pytest.mark.parametrize(
    "gold",
    [
        ANSWERS,
        dict(reversed(ANSWERS.items())),
        ["Rom", "Roma"],
        [{"text": "Rom"}],
        [{"answer_start": 3, "text": "Rom"}],
        [],
    ],
    ids=str,
)
def test_answers_that_csv_made_a_text_are_refused(write, gold):
    with pytest.raises(
        XferError, match="xquad: the gold answers of question 1 are .* written as a text"
    ) as caught:
        evaluate(write(gold))
    assert "json.loads" in caught.value.hint


@pytest.mark.parametrize("text", ["[1]", "[sic] Rom", "{x}", "x = ['a']"])
def test_answers_may_have_brackets(text):
    assert evaluate(text, text) == 100


def test_an_answer_that_reads_as_a_list_can_be_given():
    assert evaluate(['["Rom"]'], '["Rom"]') == 100
    assert evaluate(["Rom"], '{"text": "Paris"}') == 0


@pytest.mark.parametrize(
    "gold", [{"texts": ["Rom"]}, [{"answer": "Rom"}], 5, 5.0, [5], {"text": None}], ids=str
)
def test_answers_without_a_text_are_refused(gold):
    """With SQuAD v2.0's metric they would be no answer."""
    with pytest.raises(XferError, match="question 1 hold no texts"):
        evaluate(gold, "", metric="squad_v2")


def test_no_answer_is_one_in_squad_2():
    assert evaluate([], "", metric="squad_v2") == 100 == evaluate({"text": []}, "", metric="squad_v2")


def test_a_grade_that_is_no_number_is_refused():
    with pytest.raises(XferError, match="'good' is no number"):
        evaluate("good", 1.0, "grades", metric="pearson")
