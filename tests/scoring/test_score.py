"""Metrics on hand-worked examples, and what every metric owes: order, empties, unicode, mismatches."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlflow_xfer.errors import XferError
from mlflow_xfer.kinds.kind import KINDS, scoring
from mlflow_xfer.scoring.score import metric_of, score

EXAMPLES = {
    "accuracy": (["a", "b", "b"], ["a", "b", "a"]),
    "retrieval_accuracy": ([0, 2, 2], [0, 1, 2]),
    "tag_f1": ([["NOUN", "NOUN"], ["VERB"]], [["NOUN", "VERB"], ["VERB"]]),
    "tag_accuracy": ([["NOUN", "NOUN"], ["VERB"]], [["NOUN", "VERB"], ["VERB"]]),
    "entity_f1": ([["B-LOC", "O"], ["O"]], [["B-LOC", "I-LOC"], ["B-PER"]]),
    "squad": (["the cat", "dog"], [["cat"], ["a dog sat", "horse"]]),
    "mlqa": (["die Katze", "Hund"], [["Katze"], ["ein Hund saß", "Pferd"]]),
    "squad_v2": (["the cat", "dog", "", ""], [["cat"], [], [], ["x"]]),
    "bucc_f1": ([("de-1", "en-1"), ("de-2", "en-3")], [("de-1", "en-1"), ("de-2", "en-2")]),
    "map_at_20": ([["q1", "q2"], ["q9", "q3"]], [["q1"], ["q3"]]),
    "pearson": ([1.0, 2.0, 4.0], [1.0, 3.0, 2.0]),
    "spearman": ([1.0, 2.0, 4.0], [1.0, 3.0, 2.0]),
    "cases_passed": (["eine Katze", "Hund", "rot"], [["Katze"], ["Pferd"], ["rot."]]),
}
EXPECTED = {
    "accuracy": 200 / 3,
    "retrieval_accuracy": 200 / 3,
    # sentence 1: one chunk NOUN NOUN predicted, gold NOUN and VERB; sentence 2 right: 1 of 2 and 1 of 3
    "tag_f1": 100 * 2 * (1 / 2) * (1 / 3) / (1 / 2 + 1 / 3),
    "tag_accuracy": 200 / 3,
    "entity_f1": 0.0,
    "squad_v2": 50.0,  # right answer, and right that there is none
    "squad": 100 * ((1 + 0) / 2 + (1 + 2 * 1 * 0.5 / 1.5) / 2) / 2,
    "mlqa": 100 * ((1 + 0) / 2 + (1 + 2 * 1 * 0.5 / 1.5) / 2) / 2,
    "bucc_f1": 50.0,
    "map_at_20": 75.0,
    "pearson": 100 / (42 / 9 * 2) ** 0.5,  # products of deviations sum to 1, squares to 42/9 and 2
    "spearman": 50.0,
    "cases_passed": 200 / 3,  # articles and marks at the ends do not count; each question a case of its own
}


def test_every_metric_has_an_example():
    metrics = {name for kind in KINDS for name in kind.metrics}
    assert metrics == set(EXAMPLES) == set(EXPECTED)


@pytest.mark.parametrize("name", KINDS.names())
def test_every_kind_has_the_metrics_that_it_registers(name):
    assert tuple(scoring(name).metrics) == KINDS.get(name).metrics
    assert all(key == metric.name for key, metric in scoring(name).metrics.items())


@pytest.mark.parametrize("metric", EXAMPLES)
def test_hand_worked_value_lies_in_its_interval(metric):
    predictions, references = EXAMPLES[metric]
    got = score(metric, predictions, references, "de")
    assert got.value == pytest.approx(EXPECTED[metric], abs=1e-9)
    lowest = -100 if metric_of(metric).sample else 0
    assert lowest <= got.low <= got.value <= got.high <= 100
    assert all(isinstance(value, float) for value in got.components.values())


@pytest.mark.parametrize("metric", EXAMPLES)
def test_perfect_is_100_and_order_has_no_say(metric):
    predictions, references = EXAMPLES[metric]
    perfect = (
        references if metric in ("bucc_f1", "map_at_20", "tag_f1", "entity_f1", "tag_accuracy") else None
    )
    if metric in ("squad", "squad_v2", "mlqa", "cases_passed"):
        perfect = [golds[0] if golds else "" for golds in references]
    assert score(metric, perfect or references, references, "de").value == pytest.approx(100)
    backwards = score(metric, predictions[::-1], references[::-1], "de")
    assert backwards == score(metric, predictions, references, "de")


@pytest.mark.parametrize("metric", sorted(set(EXAMPLES) - {"bucc_f1"}))
def test_length_mismatch_names_the_language(metric):
    predictions, references = EXAMPLES[metric]
    with pytest.raises(XferError, match="de: 1 predicted"):
        score(metric, predictions[:1], references, "de")


@pytest.mark.parametrize("metric", EXAMPLES)
def test_nothing_to_score_is_an_error(metric):
    with pytest.raises(XferError, match="de: "):
        score(metric, [], [], "de")


def test_unknown_metric_suggests():
    with pytest.raises(XferError, match="entity_f1"):
        score("entity_f", [], [], "de")


def test_sentence_length_and_bad_tags_are_named():
    with pytest.raises(XferError, match="sentence 2 has 1 predicted tags for 2 words"):
        score("tag_f1", [["NOUN"], ["NOUN"]], [["NOUN"], ["NOUN", "VERB"]], "de")
    with pytest.raises(XferError, match="sentence 1 has the tag ''"):
        score("tag_f1", [[""]], [["NOUN"]], "de")


def test_numbers_and_texts_are_the_same_label():
    assert score("accuracy", ["0", 1, np.int64(2)], [0, "1", 2.0], "de").value == 100


def test_empty_answer_is_not_a_missing_one():
    assert score("squad", [""], [["the"]], "en").components == {"exact_match": 100.0, "f1": 0.0}
    assert score("squad", [None], [["the"]], "en").value == 0
    assert score("squad", [""], [["the cat"]], "en").value == 0


def test_stripped_answers_are_refused():
    with pytest.raises(XferError, match="question 1 has no gold answer"):
        score("squad", ["x"], [[]], "en")


def test_mlqa_refuses_other_languages():
    with pytest.raises(XferError, match="does not know the language 'th'"):
        score("mlqa", ["x"], [["x"]], "th")


def test_repeated_pairs_and_repeated_ranks_count_once():
    gold = [("de-1", "en-1"), ("de-2", "en-2")]
    assert score("bucc_f1", gold * 3, gold, "de").value == 100
    assert score("bucc_f1", [], gold, "de").value == 0
    assert score("map_at_20", [["q1", "q1", "q2"]], [["q1", "q2"]], "de").value == pytest.approx(
        100 * (1 + 2 / 3) / 2
    )


def test_rank_20_counts_and_21_does_not():
    ranked = [f"q{i}" for i in range(30)]
    assert score("map_at_20", [ranked], [["q19"]], "de").value == pytest.approx(5)
    assert score("map_at_20", [ranked], [["q20"]], "de").value == 0


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_any_text_gives_a_score(data):
    text = st.text(max_size=12)
    metric = data.draw(st.sampled_from(["accuracy", "squad", "mlqa", "tag_f1", "entity_f1"]))
    language = data.draw(st.sampled_from(["en", "de", "es", "ar", "zh", "vi", "hi"]))
    if metric in ("tag_f1", "entity_f1"):
        tag = st.text(min_size=1, max_size=6)
        pairs = data.draw(st.lists(st.lists(st.tuples(tag, tag), max_size=4), min_size=1, max_size=4))
        predictions, references = [[p for p, _ in s] for s in pairs], [[r for _, r in s] for s in pairs]
    elif metric == "accuracy":
        predictions, references = zip(
            *data.draw(st.lists(st.tuples(text, text), min_size=1, max_size=5)), strict=True
        )
    else:
        golds = st.lists(text, min_size=1, max_size=2)
        predictions, references = zip(
            *data.draw(st.lists(st.tuples(text, golds), min_size=1, max_size=5)), strict=True
        )
    got = score(metric, predictions, references, language)
    assert 0 <= got.low <= got.high <= 100 and 0 <= got.value <= 100
