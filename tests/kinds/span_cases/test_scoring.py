"""A case passes if all its questions are right; a language's score is the mean over its tests."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from datasets import Dataset

from mlflow_xfer.errors import XferError
from mlflow_xfer.kinds import kind
from mlflow_xfer.kinds.span_cases.cases import clean, place_of
from mlflow_xfer.kinds.span_cases.scoring import whole_cases
from mlflow_xfer.proportions import wilson
from mlflow_xfer.scoring.evaluation import Splits, row
from mlflow_xfer.scoring.formats import read, write_predictions
from mlflow_xfer.scoring.score import score
from mlflow_xfer.tasks.task import Task

TASK = Task("checks", "span_cases", "cases_passed", ("en", "sw"), {})
RIGHT = [  # language, said, gold
    ("en", "the car.", "car"),
    ("en", "in Rome", "Rome"),
    ("de", "einen Leguan", "ein Leguan"),
    ("af", "’n motor", "motor"),
    ("ar", "السيارة", "سيارة"),
    ("bn", "একটি গাড়ি৷", "গাড়ি"),
    ("hi", "एक कार", "कार"),
    ("pl", "„auto”", "auto"),
    ("ur", "\u200fکار", "کار"),
    ("sw", " Gary, ", "Gary"),
    ("tl", "Si Gary", "Gary"),
]
WRONG = [
    ("en", "Car", "car"),
    ("en", "red car", "car"),
    ("en", "then", "n"),
    ("de", "seinen", "s"),
    ("sw", "the car", "car"),
    ("pl", "auto!", "auto"),
]


@pytest.mark.parametrize(("language", "said", "gold"), RIGHT)
def test_right_without_articles_blanks_and_marks(language, said, gold):
    assert clean(said, language) == clean(gold, language) == gold.removeprefix("ein ")
    assert score("cases_passed", [said], [[gold]], language).value == 100


@pytest.mark.parametrize(("language", "said", "gold"), WRONG)
def test_wrong_is_all_else(language, said, gold):
    assert score("cases_passed", [said], [[gold]], language).value == 0


def of(test, number, text):
    return {"text": [text], "test": test, "case": f"{test}/{number}"}


GOLD = [of("a", 1, "x"), of("a", 1, "y"), of("a", 2, "x"), of("a", 2, "y"), of("b", 1, "z")]


def test_a_case_passes_as_a_whole_and_each_test_counts_alike():
    found = score("cases_passed", ["x", "y", "x", "wrong", "z"], GOLD, "sw")
    assert found.value == (50 + 100) / 2 and found.n == 3
    assert found.components == {"cases_passed": 75, "error_rate": 25, "questions_right": 80}
    assert found.low < 75 < found.high


def test_cases_need_not_stand_together_and_none_is_no_answer():
    order = [3, 0, 4, 1, 2]
    said = ["x", "y", "x", None, "z"]
    found = score("cases_passed", [said[i] for i in order], [GOLD[i] for i in order], "sw")
    assert found.value == 75 and found.n == 3


def test_the_interval_counts_cases_and_not_questions():
    """Three questions more in each case, alike: the same cases, the same interval."""
    gold = [of("a", number, "x") for number in range(20)]
    said = ["x" if number % 2 else "y" for number in range(20)]
    once, often = (score("cases_passed", said * n, gold * n, "sw") for n in (1, 4))
    assert (often.value, often.n, often.low, often.high) == (once.value, once.n, once.low, once.high)
    rows = [of("a", number, "x") for number in range(80)]
    apart = score("cases_passed", said * 4, rows, "sw")
    assert apart.n == 80 and apart.high - apart.low < 0.7 * (once.high - once.low)


@pytest.mark.parametrize(("said", "gold"), [(["x"], [[]]), ([3], [["x"]]), (["x", "y"], [["x"]])])
def test_what_cannot_be_scored_is_refused(said, gold):
    with pytest.raises(XferError, match="sw: "):
        score("cases_passed", said, gold, "sw")


@pytest.mark.parametrize("name", ["", "q7", "a/1", "/1/2"])
def test_an_id_without_test_and_case_is_a_case_by_itself(name):
    assert place_of(name) == {}


def test_a_test_may_have_a_stroke_in_its_name():
    assert place_of("more/less/3/2") == {"test": "more/less", "case": "more/less/3"}


class Says:
    """Answers by the question's id; what it was not told is left open."""

    def __init__(self, **answers):
        self.said = answers

    def answers(self, splits):
        return {name: [self.said.get(one, "?") for one in split["id"]] for name, split in splits.items()}


def split_of(*names):
    answers = {"text": ["x"], "answer_start": [0]}
    return Dataset.from_list(
        [{"id": n, "context": "x is y", "question": "who?", "answers": answers} for n in names]
    )


SPLIT = split_of("a/1/1", "a/1/2", "a/2/1", "b/1/1", "b/1/2")


@pytest.fixture
def found():
    said = Says(**{"a/1/1": "x", "a/1/2": "x", "a/2/1": "y", "b/1/1": "x"})
    return kind.scoring("span_cases").evaluation(TASK, Splits({"sw": SPLIT}), said)


def test_the_table_has_the_error_rate_of_each_test(found):
    line = row(TASK, "sw", found["sw"]) | dict(found["sw"].more)
    assert line["score"] == 25 and line["n"] == 3 and line["component_error_rate"] == 75
    assert line["error_a"] == 50 and line["error_b"] == 100 and line["questions"] == 5
    assert line["majority"] == 100 and line["chance"] == 100  # one answer is all that there is


def test_buckets_are_tests_by_language(found):
    assert kind.scoring("span_cases").buckets(TASK, found, list) == [
        {"language": "sw", "attribute": "a", "low": 1, "high": 2, "n": 2, "score": 50},
        {"language": "sw", "attribute": "b", "low": 2, "high": 2, "n": 1, "score": 0},
    ]


def test_examples_are_questions(found):
    shown = kind.scoring("span_cases").examples(TASK, "sw", found["sw"], 4)
    assert [one["right"] for one in shown] == [True, True, False, True]
    assert shown[2] | {"id": "a/2/1", "gold": "x", "predicted": "y"} == shown[2]


def test_a_limit_draws_whole_cases():
    names = [f"t/{number}/{question}" for number in range(50) for question in range(3)]
    kept = whole_cases(split_of(*names), 20)["id"]
    cases = {name.rpartition("/")[0] for name in kept}
    assert len(cases) == 20 and len(kept) == 60 and list(kept) == [n for n in names if n in set(kept)]
    assert cases >= {name.rpartition("/")[0] for name in whole_cases(split_of(*names), 5)["id"]}
    assert len(whole_cases(split_of(*names), None)) == 150


def test_chance_is_of_cases():
    """Two answers, three questions a case: an eighth of them."""
    gold = [
        {"text": [f"{question % 2}"], "test": "t", "case": f"t/{case}"}
        for case in range(400)
        for question in range(3)
    ]
    base = kind.scoring("span_cases").baselines(
        "cases_passed", gold, None, None, "sw", np.random.default_rng(0)
    )
    assert base["majority"] == 0 and base["chance"] == pytest.approx(2 / 27 * 100, abs=8)


def test_files_are_keyed_by_question_and_their_labels_say_the_case(tmp_path, found):
    write_predictions(tmp_path / "said", TASK, "sw", found["sw"].predictions, found["sw"].ids)
    questions = [
        {"id": name, "question": "who?", "answers": [{"text": "x", "answer_start": 0}]}
        for name in SPLIT["id"]
    ]
    gold = tmp_path / "gold.json"
    gold.write_text(json.dumps({"data": [{"paragraphs": [{"context": "x is y", "qas": questions}]}]}))
    predictions, references = read(tmp_path / "said" / "checks" / "test-sw.json", gold, TASK)
    assert score("cases_passed", predictions, references, "sw").value == 25


def test_a_table_with_ids_is_scored_by_case():
    frame = pd.DataFrame({"id": list(SPLIT["id"]), "prediction": ["x", "x", "y", "x", None]}, dtype=object)
    frame["reference"] = "x"
    judging = kind.scoring("span_cases")
    whole, apart = (judging.given(TASK, "sw", table) for table in (frame, frame.drop(columns="id")))
    assert row(TASK, "sw", whole)["score"] == 25 and row(TASK, "sw", whole)["n"] == 3
    assert row(TASK, "sw", apart)["score"] == 60 and row(TASK, "sw", apart)["n"] == 5


def test_cases_that_all_fail_or_all_pass_are_no_certainty():
    gold = [of("a" if number % 2 else "b", number, "x") for number in range(24)]
    for said, limits in (("y", wilson(0, 24)), ("x", wilson(24, 24))):
        found = score("cases_passed", [said] * 24, gold, "sw")
        assert (found.low, found.high) == limits and found.high - found.low > 10
