"""The table of examples that an evaluation leaves for readers."""

import pytest
from datasets import Dataset

from mlflow_xfer.kinds import kind
from mlflow_xfer.scoring.evaluation import Compared
from mlflow_xfer.tasks.task import Task

SPAN = {
    "context": ["It rains in Ulm."] * 3,
    "question": ["Where?"] * 3,
    "answers": [{"text": ["Ulm", "in Ulm"], "answer_start": [12, 9]}] * 3,
}
CASES = {
    "classification": (
        {"text_a": ["good", "bad", "dull"], "text_b": ["film", "book", "day"]},
        ["yes", "no", "no"],
        ["yes", "yes", "no"],
        ("good | film", "yes", "yes", True),
        ("bad | book", "yes", "no", False),
    ),
    "tagging": (
        {"words": [["a", "dog"], ["no"], ["it", "runs"]]},
        [["DET", "NOUN"], ["X"], ["PRON", "VERB"]],
        [["DET", "NOUN"], ["DET"], ["PRON", "NOUN"]],
        ("a dog", "DET NOUN", "DET NOUN", True),
        ("no", "DET", "X", False),
    ),
    "multiple_choice": (
        {"context": ["c"] * 3, "question": ["q"] * 3, "choices": [["red", "dark blue"]] * 3},
        [1, 0, 0],
        [1, 1, 1],
        ("c | q | red / dark blue", "dark blue", "dark blue", True),
        ("c | q | red / dark blue", "dark blue", "red", False),
    ),
    "span_qa": (
        SPAN,
        ["in Ulm", "Rome", ""],
        [["Ulm", "in Ulm"]] * 3,
        ("It rains in Ulm. | Where?", "Ulm / in Ulm", "in Ulm", True),
        ("It rains in Ulm. | Where?", "Ulm / in Ulm", "Rome", False),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_text_gold_and_predicted_read_well(name):
    columns, predicted, gold, first, second = CASES[name]
    metric = next(iter(kind.scoring(name).metrics))
    task = Task(name="t", kind=name, metric=metric, languages=("de",), sources={})
    found = Compared(predicted, gold, ids=["1", "2", "3"], split=Dataset.from_dict(columns))
    rows = kind.scoring(name).examples(task, "de", found, 2)
    assert [(r["text"], r["gold"], r["predicted"], r["right"]) for r in rows] == [first, second]
    assert [(r["language"], r["id"]) for r in rows] == [("de", "1"), ("de", "2")]


def test_graded_answers_are_neither_right_nor_wrong():
    task = Task(name="t", kind="regression", metric="pearson", languages=("de",), sources={})
    split = Dataset.from_dict({"text_a": ["a", "b"], "text_b": ["c", "d"]})
    rows = kind.scoring("regression").examples(
        task, "de", Compared([1.0, 2.0], [1.0, 3.0], ids=["1", "2"], split=split), 5
    )
    assert [(r["text"], r["right"]) for r in rows] == [("a | c", None), ("b | d", None)]


def test_kinds_whose_answers_are_not_about_single_texts_have_none():
    task = Task(name="t", kind="retrieval", metric="", languages=("de",), sources={}, trained=False)
    assert kind.scoring("retrieval").examples(task, "de", Compared([0], [0]), 5) == []
