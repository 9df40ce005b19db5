"""Predictions: one for every example and every word,
in order, whatever the batches and the other languages.
"""

from __future__ import annotations

import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from datasets import Dataset
from safetensors.torch import load_file, save_file
from tiny_world import POS, SENTIMENT, TATOEBA, rows

from mlflow_xfer.errors import XferError
from mlflow_xfer.models.embed import embed_layers
from mlflow_xfer.params.settings import RuntimeOptions, TrainingSettings
from mlflow_xfer.training.parts import NotFinite, Part
from mlflow_xfer.training.predict import budgeted, encoding_counts, predict
from mlflow_xfer.training.trainer import train
from mlflow_xfer.training.vector_search import nearest

SETTINGS = TrainingSettings(max_steps=12, train_batch_size=16, max_seq_length=64, learning_rate=2e-3)


@pytest.fixture(scope="module")
def tagger(any_model, tmp_path_factory):
    return train(
        any_model,
        [Part(POS, rows(POS, "en", 200))],
        None,
        SETTINGS,
        tmp_path_factory.mktemp("tagger"),
        runtime=RuntimeOptions(device="cpu"),
    ).directory


@pytest.fixture(scope="module")
def classifier(any_model, tmp_path_factory):
    return train(
        any_model,
        [Part(SENTIMENT, rows(SENTIMENT, "en", 200))],
        None,
        SETTINGS,
        tmp_path_factory.mktemp("classifier"),
        runtime=RuntimeOptions(device="cpu"),
    ).directory


def test_languages_in_one_stream_are_as_one_by_one(classifier):
    splits = {code: rows(SENTIMENT, code, n, 3) for code, n in (("en", 23), ("de", 9))}
    together = predict(classifier, SENTIMENT, splits, token_budget=200)
    assert {code: len(answers) for code, answers in together.items()} == {"en": 23, "de": 9}
    for code, split in splits.items():
        assert predict(classifier, SENTIMENT, {code: split}, token_budget=10_000)[code] == together[code]


def test_every_word_has_a_tag_past_the_length_limit(tagger):
    words = rows(POS, "en", 40, 5)["words"]
    long = [w for sentence in words for w in sentence]
    split = Dataset.from_list(
        [
            {"id": "0", "words": long, "tags": ["X"] * len(long)},
            {"id": "1", "words": ["dog"], "tags": ["X"]},
            {"id": "2", "words": ["\u200b", "cat", "x" * 300], "tags": ["X"] * 3},
        ]
    )
    found = predict(tagger, POS, {"en": split}, max_seq_length=16)["en"]
    assert [len(tags) for tags in found] == [160, 1, 3]
    assert set(found[0]) <= set(POS.labels)


def test_labels_are_never_read(tagger, classifier):
    for folder, task, name in ((tagger, POS, "tags"), (classifier, SENTIMENT, "label")):
        split = rows(task, "en", 8, 4)
        assert (
            predict(folder, task, {"en": split})["en"]
            == predict(folder, task, {"en": split.remove_columns(name)})["en"]
        )


def test_a_head_with_more_labels_answers_only_those_of_the_task(classifier):
    narrow = replace(SENTIMENT, name="narrow", labels=("good",))
    assert set(predict(classifier, narrow, {"en": rows(SENTIMENT, "en", 20, 2)})["en"]) == {"good"}


def test_a_checkpoint_without_the_head_is_refused(classifier):
    with pytest.raises(XferError, match="no head for task 'pos'"):
        predict(classifier, POS, {"en": rows(POS, "en", 2)})


def test_fertility_and_truncation_by_language(classifier):
    splits = {
        "en": rows(SENTIMENT, "en", 20, 1),
        "xx": Dataset.from_list(
            [{"id": "0", "text_a": "unseenlongword " * 9, "text_b": None, "label": "bad"}]
        ),
    }
    found = encoding_counts(classifier, SENTIMENT, splits, max_seq_length=16)
    assert found["en"]["truncated"] == 0 and found["xx"]["truncated"] == 100
    assert 1 <= found["en"]["fertility"] < 2


def test_no_languages_no_predictions(classifier):
    assert predict(classifier, SENTIMENT, {}) == {}


def test_batches_keep_to_the_budget_and_leave_nothing_out():
    lengths = np.random.default_rng(0).integers(1, 200, 500)
    batches = list(budgeted(lengths, 512))
    assert sorted(np.concatenate(batches)) == list(range(500))
    assert all(len(b) * lengths[b].max() <= 512 or len(b) == 1 for b in batches)


def test_retrieval_is_the_nearest_source_of_each_target(any_model):
    split = rows(TATOEBA, "de", 25, 1)
    found = predict(any_model, TATOEBA, {"de": split}, layer=1)["de"]
    source, target = (embed_layers(any_model, split[side], layers=[1])[1] for side in ("source", "target"))
    source, target = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (source, target))
    cosines = target @ source.T
    assert all(cosines[i, j] >= cosines[i].max() - 1e-5 for i, j in enumerate(found))


def test_identical_sentences_find_each_other(any_model):
    one = list(dict.fromkeys(rows(SENTIMENT, "en", 60, 1)["text_a"]))
    split = Dataset.from_list([{"id": str(i), "source": t, "target": t} for i, t in enumerate(one)])
    assert predict(any_model, TATOEBA, {"de": split}, layer=2)["de"] == list(range(len(one)))


def test_centred_retrieval_is_that_of_vectors_without_their_means(any_model):
    split = Dataset.from_list(rows(TATOEBA, "de", 40, 1))
    sides = [embed_layers(any_model, split[side][:], layers=[1])[1] for side in ("target", "source")]
    wanted = nearest(*(side - side.mean(axis=0) for side in sides), 1)[0][:, 0].tolist()
    assert wanted == predict(any_model, TATOEBA.with_options(centred=True), {"de": split}, layer=1)["de"]


@pytest.mark.parametrize("chunk", [1, 7, 1000])
def test_nearest_is_exact(chunk):
    draws = np.random.default_rng(0)
    queries, index = draws.normal(size=(50, 8)), draws.normal(size=(300, 8))
    found, cosines = nearest(queries, index, 4, chunk=chunk)
    norm = lambda x: x / np.linalg.norm(x, axis=1, keepdims=True)  # noqa: E731
    wanted = norm(queries) @ norm(index).T
    assert (found == np.argsort(-wanted, axis=1)[:, :4]).all()
    assert cosines == pytest.approx(np.sort(wanted, axis=1)[:, ::-1][:, :4], abs=1e-5)
    assert nearest(queries, index[:2], 4)[0].shape == (50, 2)


def test_what_is_no_number_is_no_answer(tagger, classifier, tmp_path):
    """Weights that are finite, but too large to compute with."""
    for directory, task in ((tagger, POS), (classifier, SENTIMENT)):
        spoilt = shutil.copytree(directory, tmp_path / f"{task.name}-{directory.parent.name}")
        weights = load_file(spoilt / "model.safetensors")
        large = {
            name: torch.full_like(one, 1e30) if "norm" in name.lower() else one
            for name, one in weights.items()
        }
        save_file(large, spoilt / "model.safetensors", metadata={"format": "pt"})
        with pytest.raises(NotFinite, match=task.name):
            predict(spoilt, task, {"en": rows(task, "en", 5)}, device="cpu")
