"""Majority and chance rows for every metric."""

from __future__ import annotations

import pytest

from mlflow_xfer.scoring.baselines import baselines
from mlflow_xfer.scoring.score import score

REFERENCES = {
    "accuracy": ["a", "a", "b", "c"],
    "retrieval_accuracy": [0, 1, 2, 3],
    "tag_f1": [["NOUN", "VERB"], ["NOUN"]],
    "tag_accuracy": [["NOUN", "VERB"], ["NOUN"]],
    "entity_f1": [["B-LOC", "O"], ["O"]],
    "squad": [["cat"], ["cat"], ["dog"]],
    "mlqa": [["cat"], ["cat"], ["dog"]],
    "squad_v2": [["cat"], [], []],
    "bucc_f1": [("de-1", "en-1")],
    "map_at_20": [["q1"], ["q2"]],
}


@pytest.mark.parametrize("metric", sorted(REFERENCES))
def test_every_metric_has_both_rows(metric):
    rows = baselines(metric, REFERENCES[metric], None, None, "en")
    assert set(rows) == {"chance", "majority"}
    assert all(0 <= value <= 100 for value in rows.values())
    assert rows == baselines(metric, REFERENCES[metric], None, None, "en")


def test_majority_comes_from_training_where_there_is_any():
    assert baselines("accuracy", ["a", "a", "b"], ["b", "b", "a"], ["a", "b", "c"], "de") == {
        "chance": pytest.approx(100 / 3),
        "majority": pytest.approx(100 / 3),
    }
    assert baselines("accuracy", ["a", "a", "b"], None, ["a", "b"], "de")["majority"] == pytest.approx(
        200 / 3
    )


def test_constant_tag_is_scored_by_the_same_rules():
    got = baselines("tag_f1", REFERENCES["tag_f1"], [["NOUN"]], ["NOUN", "VERB"], "de")["majority"]
    assert got == score("tag_f1", [["NOUN", "NOUN"], ["NOUN"]], REFERENCES["tag_f1"], "de").value
    assert baselines("entity_f1", REFERENCES["entity_f1"], [["O", "O", "B-LOC"]], None, "de")["majority"] == 0


def test_chance_of_uniform_tags_is_near_its_expectation():
    gold = [["B-LOC", "B-LOC", "B-LOC", "B-LOC"]] * 500
    rows = baselines("entity_f1", gold, None, ["B-LOC", "O"], "de")
    assert rows["chance"] == pytest.approx(100 * 2 * 1 * 0.5 / 1.5, abs=3)
    assert rows["majority"] == 100


def test_chance_of_choices_follows_their_number():
    assert baselines("accuracy", [0, 1, 1], None, [2, 2, 2], task_kind="multiple_choice")["chance"] == 50
    assert baselines("accuracy", [0, 1, 3], None, [2, 4, 4], task_kind="multiple_choice")[
        "chance"
    ] == pytest.approx(100 * (1 / 2 + 1 / 4 + 1 / 4) / 3)
