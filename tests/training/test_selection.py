"""The scores that choose a checkpoint."""

from __future__ import annotations

import warnings

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_world import POS, SENTIMENT

from mlflow_xfer.kinds import kind
from mlflow_xfer.kinds.span_qa.model import token_f1
from mlflow_xfer.kinds.tagging.model import entities, entity_f1
from mlflow_xfer.tasks.task import Task
from mlflow_xfer.training.selection import combined

NER = Task(
    name="ner",
    kind="tagging",
    metric="entity_f1",
    languages=("en",),
    sources={},
    labels=("O", "B-PER", "I-PER", "B-LOC", "I-LOC"),
)
TAGS = st.lists(st.sampled_from(NER.labels), min_size=0, max_size=12)


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(TAGS, TAGS).map(lambda p: (p[0][: min(map(len, p))], p[1][: min(map(len, p))])), max_size=6
    )
)
def test_entity_f1_is_seqevals(pairs):
    from seqeval.metrics import f1_score

    ours, gold = [p for p, _ in pairs], [g for _, g in pairs]
    if any(t != "O" for tags in ours + gold for t in tags):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            assert entity_f1(ours, gold) == pytest.approx(100 * f1_score(gold, ours), abs=1e-9)


def test_entities():
    assert entities(["B-PER", "I-PER", "I-LOC", "O", "I-LOC", "B-LOC"]) == [
        ("PER", 0, 2),
        ("LOC", 2, 3),
        ("LOC", 4, 5),
        ("LOC", 5, 6),
    ]


def test_tags_without_prefixes_are_scored_by_words():
    score = kind.model("tagging").dev_score(POS, [["ADJ", "NOUN"], ["VERB"]], [["ADJ", "VERB"], ["VERB"]])
    assert score == pytest.approx(200 / 3)


def test_answers():
    assert token_f1(["the cat", "", "dog"], [["a cat", "The Cat"], [], ["a big dog"]]) == pytest.approx(
        100 * (1 + 1 + 0.5) / 3
    )


def test_a_checkpoint_counts_by_english_and_tasks_alike():
    scores = {"a": {"en": 80.0, "de": 0.0}, "b": {"en": 40.0}, "lm": {"en": 3.0}}
    assert combined(scores, "lm") == 60.0
    assert combined({"a": {"de": 10.0, "fr": 20.0}}, "lm") == 15.0
    assert combined({"lm": {"en": 3.0, "de": 5.0}}, "lm") == -3.0
    assert combined({}, "lm") is None


def test_collapse_is_the_commonest_label_within_a_standard_error():
    gold, is_collapsed = ["good"] * 60 + ["bad"] * 40, kind.model("classification").is_collapsed
    assert is_collapsed(SENTIMENT, ["good"] * 100, gold)
    assert is_collapsed(SENTIMENT, ["bad"] * 100, gold)
    assert not is_collapsed(SENTIMENT, gold[:75] + ["good"] * 25, gold)
    assert kind.model("tagging").is_collapsed(POS, [["NOUN"] * 4], [["NOUN"] * 3 + ["ADJ"]])
