"""Model cards: what they say in each case, and that hubs and reports read them."""

from __future__ import annotations

import json

import pytest
from huggingface_hub import ModelCard

from mlflow_xfer.reporting.imported import read_scores
from mlflow_xfer.reporting.model_card import Card, trained_on

ROWS = [
    {"task": task, "language": language, "metric": "f1", "score": score, "low": score - 2, "high": score + 2}
    for task, language, score in (("pos", "en", 61.239), ("pos", "sw", 41.0), ("choice", "en", 55.5))
]
TARGET = {"xfer.phase": "target", "xfer.target": "pos"}


def test_hubs_and_reports_read_the_same_scores(tmp_path):
    card = Card("a_b", "xlm-roberta-base", "about.", "better | than", ROWS, ["Not zero-shot."], "XForTokens")
    read = ModelCard(card.text())
    assert read.data.base_model == "xlm-roberta-base" and read.data.language == ["en", "sw"]
    assert [(one.dataset_type, one.dataset_config, one.metric_value) for one in read.data.eval_results] == [
        ("pos", "en", 61.24),
        ("pos", "sw", 41.0),
        ("choice", "en", 55.5),
    ]
    assert "| pos | sw | f1 | 41.0 | 39.0 … 43.0 |" in read.text and "- Not zero-shot." in read.text
    assert "better \\| than" in read.text and "transformers.XForTokens.from_pretrained" in read.text
    (tmp_path / "results.json").write_text(json.dumps(card.scores()), "utf-8")
    frame = read_scores(tmp_path / "results.json")
    assert frame[["condition", "task", "language", "score"]].to_numpy().tolist() == [
        ["a_b", one["task"], one["language"], one["score"]] for one in ROWS
    ]


def test_what_was_not_evaluated_says_so():
    read = ModelCard(Card("m", "/home/me/model", "about.", "", []).text())
    assert "It was not evaluated." in read.text
    assert read.data.eval_results is None and "base_model" not in read.data.to_dict(), "a folder is on no hub"


@pytest.mark.parametrize(
    ("tags", "said"),
    [
        (
            TARGET | {"xfer.tasks": "nli,qa", "xfer.data_languages": "en,sw"},
            "b, trained on nli and qa, then trained on pos (with labels in en, sw alone).",
        ),
        (TARGET | {"xfer.tasks": "none"}, "b, trained on pos."),
        ({"xfer.phase": "intermediate", "xfer.tasks": "nli"}, "b, trained on nli."),
        ({"xfer.phase": "pretrain", "xfer.data_languages": "de"}, "b, trained on raw text (de)."),
        (
            {"xfer.phase": "intermediate", "xfer.tasks": "nli", "xfer.control": "random"},
            "A random encoder of the shape of b, trained on nli.",
        ),
        ({}, "b."),
    ],
)  # fmt: skip
def test_what_it_was_trained_on(tags, said):
    assert trained_on({"xfer.base_model": "b", **tags}) == said
