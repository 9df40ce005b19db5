"""Answers filed by the ids of their questions: ids that repeat, and ids that no question has."""

from __future__ import annotations

import json

import pytest

from mlflow_xfer.scoring.formats import path_of, write_predictions
from mlflow_xfer.scoring.submission import score_files
from mlflow_xfer.scoring.validation import validate

from . import evaluate_rules
from .label_files import write_labels
from .scored_tasks import KINDS, suite_of

TASK = KINDS["tydiqa"]
ASKED = ["q", "r", "q", "q"]
GOLD = ["cat", "dog", "cow", "hen"]


def scored(tmp_path, answers: dict, asked=ASKED, gold=GOLD):
    """The score of ``answers``, and the warnings."""
    labels = write_labels(tmp_path / "l", TASK, "ko", [[one] for one in gold], asked)
    mine = write_predictions(tmp_path / "p", TASK, "ko", list(answers.values()), list(answers))
    said = []
    return score_files(mine, labels, TASK, "ko", warn=said.append).value, said


def test_repeated_ids_are_named_as_the_rows_of_data_are(tmp_path):
    right = {"q": "cat", "r": "dog", "q#2": "cow", "q#3": "hen"}
    assert scored(tmp_path, right) == (100, [])


def test_plain_ids_alone_are_looked_up_for_each_question_as_official_scorers_do(tmp_path):
    value, said = scored(tmp_path, {"q": "cat", "r": "dog"})
    assert value == 50 == evaluate_rules.score("tydiqa", "ko", tmp_path / "p", tmp_path / "l")
    assert len(said) == 1 and "4 questions have 2 different ids" in said[0]


def test_a_repeat_that_lacks_its_own_answer_takes_no_other(tmp_path):
    value, said = scored(tmp_path, {"q": "cat", "r": "dog", "q#3": "cat"}, gold=["cat", "dog", "cat", "cat"])
    assert value == 75
    assert len(said) == 1 and "1 of 4 have no prediction" in said[0]


def test_ids_of_ones_own_that_look_like_repeats(tmp_path):
    asked = ["q", "q", "q#2"]
    value, _ = scored(tmp_path, {"q": "cat", "q#2": "cow"}, asked, ["cat", "cat", "cow"])
    assert value == 100
    value, said = scored(tmp_path, {"q": "cat", "q#2": "cow", "q#2#2": "hen"}, asked, ["cat", "cow", "hen"])
    assert value == 100 and not said


@pytest.mark.parametrize("number", [7, 7.0, "7"])
def test_an_id_is_one_in_whatever_type_it_is_written(tmp_path, number):
    scored(tmp_path, {"7": "cat"}, ["7"], ["cat"])
    file = path_of(tmp_path / "l", TASK, "ko")
    file.write_text(file.read_text().replace('"id": "7"', f'"id": {json.dumps(number)}'))
    assert score_files(path_of(tmp_path / "p", TASK, "ko"), file, TASK, "ko").value == 100


def test_ids_that_no_question_has_are_told(tmp_path):
    value, said = scored(tmp_path, {"q": "cat", "r": "dog", "q#2": "cow", "q#3": "hen", "x": "a", "y": "b"})
    assert value == 100
    assert len(said) == 1 and "2 of 6 predictions have ids that no question has, such as 'x'" in said[0]


def test_queries_that_are_not_asked_are_told(tmp_path):
    task, said = KINDS["mewslix"], []
    labels = write_labels(tmp_path / "l", task, "de", [["Q1"]], ["m1"])
    mine = write_predictions(tmp_path / "p", task, "de", [["Q1"], ["Q2"]], ["m1", "m2"])
    assert score_files(mine, labels, task, "de", warn=said.append).value == 100
    assert len(said) == 1 and "1 of 2 predictions have ids that no query has, such as 'm2'" in said[0]


def test_named_repeats_are_no_unknown_ids(tmp_path):
    scored(tmp_path, {"q": "cat", "r": "dog", "q#2": "cow", "q#3": "hen"})
    found = validate(tmp_path / "p", suite_of("tydiqa"), KINDS, tmp_path / "l")
    assert not [one for one in found if "test-ko" in one.where and "missing" not in one.what]
