"""Overlap between training and test rows."""

from __future__ import annotations

import pytest
from datasets import Dataset
from hypothesis import example, given
from hypothesis import strategies as st

from mlflow_xfer.data.overlap import Overlap, audit, declared, normalised, shingles, summary, without
from mlflow_xfer.tasks.catalogue import TASKS

PAIR, QA, TAGS = "classification", "span_qa", "tagging"
LONG = "The quick brown fox jumps over the lazy dog near the old river bank every single morning"


def audit_one(train: Dataset, kind: str, test: Dataset, test_kind: str) -> Overlap:
    return audit(train, kind, {"en": test}, test_kind)["en"]


def pairs(*rows: tuple[str, str | None]) -> Dataset:
    return Dataset.from_list(
        [{"id": str(n), "text_a": a, "text_b": b, "label": "x"} for n, (a, b) in enumerate(rows)]
    )


def test_equal_nearly_equal_and_shared_rows_are_told_apart():
    test = pairs((LONG, "It runs."), ("A cat.", "It sits."))
    train = pairs(
        (LONG.upper() + "!", "it runs"),  # case and punctuation
        ("It runs.", LONG),  # the other way round
        (LONG + " again", "It runs."),
        (LONG, "Something else entirely is said here."),
        ("A cat.", "It sits."),
        ("A cat.", "Nobody sits here at all."),  # a short text in common says nothing
        ("Unrelated words stand here.", "None of them is known."),
    )
    found = audit_one(train, PAIR, test, PAIR)
    assert (found.exact, found.near, found.shared) == (("0", "1", "4"), ("2",), ("3",))
    assert found.texts == 1 and found.touched == found.of == 2
    assert without(train, PAIR, [found])["id"][:] == ["3", "5", "6"]


def test_scripts_without_spaces():
    text = "今日はとても天気が良いので公園を散歩してから図書館で本を読みました。"
    found = audit_one(
        pairs((text.replace("図書館", "美術館"), None), ("明日は雨が降るでしょう。", None)),
        PAIR,
        pairs((text, None)),
        PAIR,
    )
    assert found.near == ("0",) and not found.exact
    words = Dataset.from_list(
        [{"id": "w", "words": list(text), "tags": ["O"] * len(text)}]
    )  # one character per token
    assert audit_one(words, TAGS, pairs((text, None)), PAIR).exact == ("w",)


def test_a_seen_paragraph_counts_for_questions():
    rows = [
        {"id": "q", "context": LONG, "question": "who jumps", "answers": {"text": [], "answer_start": []}}
    ]
    train, test = Dataset.from_list(rows), Dataset.from_list([rows[0] | {"question": "where is the river"}])
    found = audit_one(train, QA, test, QA)
    assert found.near == ("q",) or found.shared == ("q",)
    assert len(without(train, QA, [found])) == 0


def test_a_candidate_is_known_by_its_context():
    """LAReQA's candidates are sentences with their paragraph: SQuAD's questions about it have seen it."""
    candidates = Dataset.from_list(
        [{"id": "c", "source": None, "target": "It is old.", "context": LONG, "gold": None}]
    )
    question = {
        "id": "q",
        "context": LONG,
        "question": "where is the river",
        "answers": {"text": [], "answer_start": []},
    }
    found = audit_one(Dataset.from_list([question]), QA, candidates, "retrieval")
    assert found.near == ("q",) or found.shared == ("q",)
    pair = {
        "id": "p",
        "source": "how old is it",
        "target": "It is old indeed.",
        "context": LONG,
        "gold": ["p"],
    }
    train = Dataset.from_list(
        [
            pair,
            pair | {"id": "other", "context": "Another paragraph, which no test has ever shown to anybody."},
        ]
    )
    assert without(train, "retrieval", [audit_one(train, "retrieval", candidates, "retrieval")])["id"][:] == [
        "other"
    ]


def test_a_candidate_is_not_dropped_for_a_query_with_its_id():
    names = ("id", "source", "target")
    rows = [("1", "who sank it in the end", None), ("1", None, "the other one"), ("2", None, "nobody at all")]
    train = Dataset.from_list([dict(zip(names, row, strict=True)) for row in rows])
    found = audit_one(train, "retrieval", train.select([0]), "retrieval")
    assert len(found.exact) == 1
    assert without(train, "retrieval", [found])["target"][:] == ["the other one", "nobody at all"]


def test_nothing_in_common_is_nothing():
    train = pairs(("One thing.", "Another."))
    found = audit_one(train, PAIR, pairs(("Else.", None)), PAIR)
    assert not found and str(found) == "no overlap found" and without(train, PAIR, [found]) is train


def test_known_relations_are_declared():
    for training, target in (
        ("mnli", "xnli"),
        ("anli-plus", "xnli"),
        ("squad", "xquad"),
        ("squad2", "mlqa"),
        ("paws", "pawsx"),
        ("copa", "xcopa"),
        ("xnli-translate-train", "xnli"),
        ("qnli", "xquad"),
    ):
        assert declared(TASKS.get(training), TASKS.get(target)), (training, target)
    assert not declared(TASKS.get("squad"), TASKS.get("xnli")) and not declared(
        TASKS.get("udpos"), TASKS.get("udpos")
    )


def test_summary_over_languages():
    found = {"en": Overlap(("1", "2"), ("3",), (), 2, 5, 10), "de": Overlap(of=10)}
    assert summary(found) == {"exact": 2, "near": 1, "shared": 0, "test_rows": 5, "languages": ["en"]}
    assert "2 equal, 1 nearly equal" in str(found["en"])


@given(st.text(max_size=80))
@example("包\U00044a24Æ䶯\x05\x94\x14¢\x7f")  # unspaced only once its blanks are gone
@example("か!\u3099き")  # a mark that meets its letter once the punctuation is gone
def test_a_row_always_equals_itself(text):
    assert normalised(normalised(text)) == normalised(text) and shingles(normalised(text))
    if normalised(text):
        assert audit_one(pairs((text, None)), PAIR, pairs((text + " .", None)), PAIR).exact == ("0",)


@pytest.mark.parametrize("size", [20_000])
def test_many_rows_take_seconds(size):
    rows = [
        (f"premise {n} speaks of thing {n % 97} and of place {n % 89}", f"hypothesis {n}")
        for n in range(size)
    ]
    found = audit_one(pairs(*rows), PAIR, pairs(*rows[:500]), PAIR)
    assert len(found.exact) == 500 and found.touched == 500


def test_languages_are_compared_in_one_pass_as_one_by_one():
    tests = {
        "en": pairs((LONG, None), ("A cat.", "It sits.")),
        "de": pairs(("Eine Katze.", "Sie sitzt."), (LONG, "Der Fuchs springt.")),
    }
    train = pairs(
        (LONG, None),
        (LONG + " again", None),
        ("Eine Katze.", "Sie sitzt."),
        ("Unrelated words stand here.", None),
    )
    together = audit(train, PAIR, tests, PAIR)
    assert together == {language: audit_one(train, PAIR, test, PAIR) for language, test in tests.items()}
    assert together["en"].exact == ("0",) and together["de"].exact == ("2",)


def test_whole_rows_are_found_by_all_their_texts():
    """Case, punctuation and blanks aside; a text in common or a near likeness is not enough."""
    own = pairs((LONG, "It runs."), ("A cat.", "It sits."), ("A dog.", None))
    train = pairs(
        (LONG.lower(), "It  runs!"), (LONG, "It sits."), (LONG + " again", "It runs."), ("a dog", "")
    )
    found = audit(train, PAIR, {"en": own}, PAIR, whole=True)["en"]
    assert found == Overlap(exact=("0", "3"), touched=2, of=3, among=4)
