"""Buckets partition the examples and score each part with the task's own metric."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlflow_xfer.errors import XferError
from mlflow_xfer.kinds.kind import scoring
from mlflow_xfer.kinds.span_qa.scoring import attributes
from mlflow_xfer.kinds.tagging.entities import by_entity, label_consistency, sentence_attributes
from mlflow_xfer.scoring.buckets import by_example, edges, which
from mlflow_xfer.scoring.evaluation import Compared
from mlflow_xfer.scoring.score import metric_of, score
from mlflow_xfer.tasks.task import Task

GOLD = [["B-LOC", "I-LOC", "O"], ["B-PER"], ["O", "B-LOC"], ["B-PER", "I-PER", "I-PER", "O"]]
MINE = [["B-LOC", "I-LOC", "O"], ["B-LOC"], ["O", "B-LOC"], ["B-PER", "I-PER", "O", "O"]]
WORDS = [["New", "York", "is"], ["Ada"], ["in", "Rome"], ["A", "B", "C", "x"]]


LABELLED = Task("labelled", "classification", "accuracy", ("en",), {})
ENTITIES = Task("entities", "tagging", "entity_f1", ("en", "de"), {})


def judged(metric, predictions, references, values, borders):
    chosen = metric_of(metric)
    return by_example(chosen, chosen.rows(predictions, references, "en"), values, borders)


def analysis(examples, mine, gold, training=()):
    found = {code: Compared(mine[code], gold[code], split=examples[code]) for code in examples}
    return scoring("tagging").buckets(ENTITIES, found, lambda: training)


def test_attributes_of_questions_and_sentences():
    question = {
        "question": "Where is Rome?",
        "context": "Rome is in Italy today",
        "answers": {"text": ["in Italy", "Italy"]},
    }
    assert attributes(question) == {
        "question_length": 3.0,
        "context_length": 5.0,
        "answer_length": 2.0,
        "overlap": pytest.approx(2 / 3),
    }
    assert attributes({**question, "answers": {"text": ["罗马，意"]}})["answer_length"] == 3
    assert sentence_attributes({"tags": GOLD[0]}) == {
        "sentence_length": 3.0,
        "entity_density": pytest.approx(2 / 3),
    }


def test_scores_by_sentence_length():
    lengths = [len(tags) for tags in GOLD]
    found = judged("entity_f1", MINE, GOLD, lengths, [1, 2, 4])
    assert [bucket.n for bucket in found] == [2, 2]
    short, long = [1, 2], [0, 3]
    for bucket, members in zip(found, (short, long), strict=True):
        part = score("entity_f1", [MINE[i] for i in members], [GOLD[i] for i in members], "en")
        assert bucket.score == pytest.approx(part.value)


def test_scores_by_length_of_the_entity():
    found = by_entity(MINE, GOLD, [1, 1.5, 2.5, 3])
    # one word: gold PER and LOC, predicted LOC and LOC, one right; two words: gold 1, predicted 2, one right
    assert [(bucket.n, bucket.score) for bucket in found] == [
        (2, 50.0),
        (1, pytest.approx(200 / 3)),
        (1, 0.0),
    ]


def test_scores_by_label_consistency():
    consistency = label_consistency([["Rome", "x", "Rome"], ["Ada"]], [["B-LOC", "O", "B-ORG"], ["B-PER"]])
    assert (
        consistency("Rome", "LOC") == 0.5
        and consistency("Ada", "PER") == 1
        and consistency("New York", "LOC") == 0
    )
    found = by_entity(MINE, GOLD, [0, 0.4, 1], consistency, WORDS)
    assert [bucket.n for bucket in found] == [2, 2]
    assert found[1].score == pytest.approx(100 * 2 * 1 * 0.5 / 1.5)


def test_buckets_of_an_attribute_with_one_value():
    found = judged("accuracy", ["a", "b"], ["a", "a"], [3, 3], edges([3, 3]))
    assert [(bucket.low, bucket.high, bucket.n, bucket.score) for bucket in found] == [(3, 3, 2, 50.0)]


def test_empty_bucket_has_no_score():
    assert judged("accuracy", ["a"], ["a"], [1], [0, 2, 9])[1].score is None


def test_what_cannot_be_put_into_buckets():
    with pytest.raises(XferError, match="no example"):
        edges([])
    with pytest.raises(XferError, match="words of the sentences"):
        by_entity(MINE, GOLD, [0, 1], lambda text, kind: 1.0)


@given(st.lists(st.integers(0, 9), min_size=1, max_size=40), st.integers(1, 5))
def test_buckets_are_a_partition(values, n):
    borders = edges(values, n)
    place = which(values, borders)
    assert len(place) == len(values) and place.min() >= 0 and place.max() <= max(len(borders) - 2, 0)
    truth = [value % 2 for value in values]
    found = judged("accuracy", [0] * len(values), truth, values, borders)
    assert sum(bucket.n for bucket in found) == len(values)
    right = sum(bucket.n * bucket.score for bucket in found if bucket.n)
    assert right / len(values) == pytest.approx(
        float(
            metric_of("accuracy").of(metric_of("accuracy").rows([0] * len(values), truth, "en").sum(axis=0))
        )
    )


def test_analysis_puts_every_example_of_every_language_into_one_bucket():
    examples = {"en": [{"tags": tags} for tags in GOLD], "de": [{"tags": tags} for tags in GOLD[:2]]}
    gold, mine = {"en": GOLD, "de": GOLD[:2]}, {"en": MINE, "de": MINE[:2]}
    found = analysis(examples, mine, gold)
    by_length = [row for row in found if row["attribute"] == "sentence_length"]
    for language, n in (("en", 4), ("de", 2)):
        mine_of = [row for row in by_length if row["language"] == language]
        assert sum(row["n"] for row in mine_of) == n
        assert [(row["low"], row["high"]) for row in mine_of] == [
            (row["low"], row["high"]) for row in by_length[: len(mine_of)]
        ]
    assert {row["attribute"] for row in found} == {"sentence_length", "entity_density", "entity_length"}
    assert (
        sum(row["n"] for row in found if row["attribute"] == "entity_length" and row["language"] == "en") == 4
    )
    # New York always, Rome never.
    training = {"words": WORDS[:1] + WORDS[2:3], "tags": GOLD[:1] + [["O", "B-PER"]]}
    examples = {
        language: [{"tags": tags, "words": words} for tags, words in zip(gold[language], WORDS, strict=False)]
        for language in gold
    }
    by = [
        row for row in analysis(examples, mine, gold, [training]) if row["attribute"] == "label_consistency"
    ]
    assert [(row["language"], row["n"], row["score"]) for row in by] == [
        ("en", 3, pytest.approx(100 / 3)),
        ("en", 0, None),
        ("en", 1, 100.0),
        ("de", 1, 0.0),
        ("de", 0, None),
        ("de", 1, 100.0),
    ]
    found = {"en": Compared(["x"], ["x"], split=[{"text_a": "a"}])}
    assert scoring("classification").buckets(LABELLED, found, list) == []
