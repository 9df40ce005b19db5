"""Selecting a checkpoint for languages without labels, and with them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from tiny_world import POS, SENTIMENT, rows

from mlflow_xfer.data.encode import encode
from mlflow_xfer.errors import XferError
from mlflow_xfer.models.heads import build
from mlflow_xfer.models.load import load_tokenizer
from mlflow_xfer.params.settings import TrainingSettings
from mlflow_xfer.tasks.task import Task
from mlflow_xfer.training.label_free import distributions, entropy, information, signals
from mlflow_xfer.training.parts import Part
from mlflow_xfer.training.predict import predict_encoded
from mlflow_xfer.training.trainer import train

SETTINGS = {"learning_rate": 5e-3, "num_train_epochs": 6.0, "train_batch_size": 8, "max_seq_length": 32}


def fit(model, work, by, selection, task=SENTIMENT, log=lambda metrics, step: None):
    part = Part(task, rows(task, "en", 64), {"en": rows(task, "en", 40, 1)}, {"de": selection})
    return train(model, [part], None, TrainingSettings(select_by=by, **SETTINGS), work, log=log)


def relabelled(split, labels):
    return split.remove_columns("label").add_column("label", labels)


def test_information_is_being_sure_of_different_answers():
    sure, torn = np.array([[1.0, 0.0], [0.0, 1.0]]), np.full((4, 2), 0.5)
    always = np.array([[1.0, 0.0]] * 3)
    assert information(sure) == pytest.approx(100) and information(torn) == information(
        always
    ) == pytest.approx(0)
    assert 0 < information(np.array([[0.9, 0.1], [0.2, 0.8]])) < 100
    assert entropy(torn).tolist() == pytest.approx([np.log(2)] * 4)


@pytest.mark.parametrize("kind", ["classification", "tagging", "multiple_choice", "span_qa"])
def test_every_kind_has_a_signal_without_labels(any_model, kind):
    from datasets import Dataset

    unlabelled = {
        "classification": [
            {"id": "0", "text_a": "happy dog", "text_b": None},
            {"id": "1", "text_a": "awful cat", "text_b": None},
        ],
        "tagging": [{"id": "0", "words": ["happy", "dog"]}, {"id": "1", "words": ["runs"]}],
        "multiple_choice": [
            {"id": "0", "context": "dog", "question": "", "choices": ["runs", "sees"]},
            {"id": "1", "context": "cat", "question": "", "choices": ["runs", "sees", "eats"]},
        ],
        "span_qa": [
            {"id": str(i), "original_id": str(i), "context": "the dog sees the cat", "question": "who"}
            for i in range(2)
        ],
    }
    task = Task(
        name="t",
        kind=kind,
        metric="",
        languages=("en",),
        sources={},
        labels=("a", "b", "c") if kind in ("classification", "tagging") else (),
    )
    model, tokenizer = build(any_model, [task], False, 0).eval(), load_tokenizer(any_model)
    encoded = {"de": encode(Dataset.from_list(unlabelled[kind]), task, tokenizer, 32, decoder=model.decoder)}
    assert 0 <= signals(model.head("t"), tokenizer, task, encoded)["de"] <= 100
    if kind != "span_qa":
        found = distributions(model.head("t"), tokenizer, task, encoded)["de"]
        assert found.shape == (3 if kind == "tagging" else 2, 3) and found.sum(-1).tolist() == pytest.approx(
            [1.0] * len(found)
        )
    if kind == "multiple_choice":
        assert found[0, 2] == 0 and found[1].min() > 0, "a missing choice is no answer"
    if kind == "tagging":
        answered = predict_encoded(
            model.head("t"), tokenizer, task, encoded, {"de": Dataset.from_list(unlabelled[kind])}
        )["de"]
        assert [task.labels[i] for i in found.argmax(-1)] == [tag for tags in answered for tag in tags], (
            "of the words, in their order"
        )


def test_label_free_reads_no_labels_and_oracle_does(encoder, tmp_path):
    dev = rows(SENTIMENT, "en", 40, 2)  # of a language that is learnt along, so that its scores move
    flipped = relabelled(dev, ["good" if label == "bad" else "bad" for label in dev["label"]])
    bare = dev.remove_columns("label")
    free = [
        fit(encoder, tmp_path / f"free{i}", "label_free", split) for i, split in enumerate((flipped, bare))
    ]
    one, other = (load_file(outcome.directory / "model.safetensors") for outcome in free)
    assert all(torch.equal(one[name], other[name]) for name in one) and one.keys() == other.keys()
    assert free[0].metrics == free[1].metrics and "label_free/sentiment/de" in free[0].metrics

    curve, other = {}, {}
    right = fit(
        encoder,
        tmp_path / "right",
        "oracle",
        dev,
        log=lambda metrics, step: curve.update(
            {step: metrics.get("oracle/sentiment/de")} if "oracle/sentiment/de" in metrics else {}
        ),
    )
    wrong = fit(
        encoder,
        tmp_path / "wrong",
        "oracle",
        flipped,
        log=lambda metrics, step: other.update(
            {step: metrics.get("oracle/sentiment/de")} if "oracle/sentiment/de" in metrics else {}
        ),
    )
    assert curve == {step: pytest.approx(100 - value) for step, value in other.items()} and len(curve) > 3
    assert right.metrics["oracle/sentiment/de"] == max(curve.values()) and wrong.metrics[
        "oracle/sentiment/de"
    ] == max(other.values())
    assert right.selected_step != wrong.selected_step, "planted: the flipped labels like another checkpoint"
    assert right.metrics.keys() == wrong.metrics.keys() >= {"dev/sentiment/en", "oracle/sentiment/de"}


def test_what_selects_must_be_there(encoder, tmp_path):
    for by in ("oracle", "label_free"):
        with pytest.raises(XferError, match="dev rows of the languages"):
            train(
                encoder,
                [Part(SENTIMENT, rows(SENTIMENT, "en", 16))],
                None,
                TrainingSettings(select_by=by, **SETTINGS),
                tmp_path / by,
            )


def test_words_count_one_by_one(encoder, tmp_path):
    outcome = fit(encoder, tmp_path / "pos", "label_free", rows(POS, "de", 20, 1), POS)
    assert 0 <= outcome.metrics["label_free/pos/de"] <= 100
