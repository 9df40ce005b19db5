"""Features of every kind with labels, from both families, against a forward pass written out;
TaskEmb against per-text gradients.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch
from tiny_world import PAIRS, POS, SENTIMENT, TATOEBA, rows

from mlflow_xfer.data.subwords import specials
from mlflow_xfer.errors import XferError
from mlflow_xfer.models.limits import is_decoder
from mlflow_xfer.models.load import load_backbone, load_tokenizer
from mlflow_xfer.params.settings import TrainingSettings
from mlflow_xfer.stats.transferability import h_score, logme
from mlflow_xfer.tasks.task import Task
from mlflow_xfer.training.features import features, foretold
from mlflow_xfer.training.fisher import similarities, task_embedding
from mlflow_xfer.training.parts import Part
from mlflow_xfer.training.trainer import train


def task(name: str, kind: str) -> Task:
    return Task(name=name, kind=kind, metric="", languages=("en",), sources={})


CHOICE, QUESTIONS = task("choice", "multiple_choice"), task("questions", "span_qa")


def data(one: Task, n: int = 12):
    """Rows of a task; those of ``choice`` have two or three choices, every fourth question has no answer."""
    from datasets import Dataset

    if one.kind == "multiple_choice":
        return Dataset.from_list(
            [
                {
                    "id": str(i),
                    "context": "the dog",
                    "question": "runs",
                    "choices": ["happy cat", "sad tree stone", "river"][: 2 + i % 2],
                    "label": i % 2,
                }
                for i in range(n)
            ]
        )
    if one.kind == "span_qa":
        context = "happy dog sees the nice river"
        return Dataset.from_list(
            [
                {
                    "id": str(i),
                    "original_id": str(i),
                    "context": context,
                    "question": "who",
                    "answers": {"text": ["dog sees"] * (i % 4 > 0), "answer_start": [6] * (i % 4 > 0)},
                }
                for i in range(n)
            ]
        )
    return rows(one, "en", n)


@cache
def loaded(folder):
    return load_tokenizer(folder), load_backbone(folder).eval()


@torch.no_grad()
def states(folder, *texts: str) -> tuple[np.ndarray, np.ndarray, list[tuple[int, int]]]:
    """(mean over layers, last layer) [tokens, hidden] of one text or pair, and the tokens' characters."""
    tokenizer, model = loaded(folder)
    inputs = tokenizer(*texts, return_tensors="pt", return_offsets_mapping=True)
    offsets = inputs.pop("offset_mapping")[0].tolist()
    inputs.pop("token_type_ids", None)
    hidden = model(**inputs, output_hidden_states=True).hidden_states
    return torch.stack(hidden[1:]).mean(0)[0].numpy(), hidden[-1][0].numpy(), offsets


def matches(found: np.ndarray, wanted: list[np.ndarray]) -> None:
    """The same vectors in any order (batches go by length)."""
    wanted = np.stack(wanted)
    assert found.shape == wanted.shape
    apart = np.abs(found[:, None] - wanted[None]).max(-1)
    assert apart.min(0).max() < 1e-4 and apart.min(1).max() < 1e-4


def by_hand(folder, one: Task, split) -> tuple[dict[int, list[np.ndarray]], list[np.ndarray]]:
    """Vectors by label, and the mean vector of each text in the last layer."""
    tokenizer, decoder = loaded(folder)[0], is_decoder(loaded(folder)[1].config)
    vectors, texts = {}, []

    def add(label: int, vector: np.ndarray) -> None:
        vectors.setdefault(label, []).append(vector)

    for row in split:
        if one.kind == "classification":
            layers, last, _ = states(folder, *filter(None, (row["text_a"], row["text_b"])))
            add(one.labels.index(row["label"]), layers.mean(0))
            texts.append(last.mean(0))
        elif one.kind == "tagging":
            layers, last, _ = states(folder, " ".join(row["words"]))
            pieces = [len(tokenizer(word, add_special_tokens=False)["input_ids"]) for word in row["words"]]
            at = len(specials(tokenizer)[0])
            for length, tag in zip(pieces, row["tags"], strict=True):
                add(one.labels.index(tag), layers[at + (length - 1 if decoder else 0)])
                at += length
            texts.append(last.mean(0))
        elif one.kind == "multiple_choice":
            found = [
                states(folder, f"{row['context']} {row['question']}", choice) for choice in row["choices"]
            ]
            middle = np.mean([layers.mean(0) for layers, _, _ in found], axis=0)
            for n, (layers, last, _) in enumerate(found):
                add(int(n == row["label"]), layers.mean(0) - middle)
                texts.append(last.mean(0))
        else:
            layers, last, offsets = states(folder, row["question"], row["context"])
            second = next(
                i
                for i in range(1, len(offsets))
                if offsets[i][0] == 0 and offsets[i - 1][1] >= 3 or offsets[i - 1] == [0, 0] and i > 2
            )
            texts.append(last.mean(0))
            if row["answers"]["text"]:
                for i in range(second, len(offsets)):
                    if offsets[i][1] > 6 and offsets[i][0] < 14 and offsets[i] != [0, 0]:
                        add(1, layers[i])
    return vectors, texts


TASKS = (SENTIMENT, PAIRS, POS, CHOICE, QUESTIONS)


@pytest.mark.parametrize("one", TASKS, ids=lambda one: one.name)
def test_every_kind_reduces_to_vectors_and_labels(any_model, one):
    # Questions in cases are read as questions are.
    assert {each.kind for each in TASKS} == set(foretold()) - {"span_cases"} and len(foretold()) == 5
    split = data(one)
    found = features(any_model, [(one, split)], token_budget=64)[one.name]
    vectors, texts = by_hand(any_model, one, split)
    for label, wanted in vectors.items():
        matches(found.vectors[found.labels == label], wanted)
    assert found.text == pytest.approx(np.mean(texts, axis=0), abs=1e-5)
    assert (
        found.examples == 12 and found.vectors.dtype == np.float32 and len(found.labels) == len(found.vectors)
    )
    if one.kind == "span_qa":  # as many others as tokens of the answer, in windows that have one
        assert (found.labels == 0).sum() == (found.labels == 1).sum() > 0
    assert np.isfinite([logme(found.vectors, found.labels), h_score(found.vectors, found.labels)]).all()


def test_batches_do_not_change_features(any_model):
    small, large = (
        features(any_model, [(CHOICE, data(CHOICE))], token_budget=budget)["choice"] for budget in (1, 10_000)
    )
    assert sorted(small.vectors.sum(1)) == pytest.approx(sorted(large.vectors.sum(1)), abs=1e-4)
    assert small.text == pytest.approx(large.text, abs=1e-5)


def test_a_task_that_the_features_hold_scores_above_one_that_they_do_not(any_model):
    """Planted: the mood shows in the words, the permuted mood in nothing."""
    split = data(SENTIMENT, 200)
    noise = split.remove_columns("label").add_column(
        "label", np.random.default_rng(0).permutation(split["label"][:]).tolist()
    )
    found = [features(any_model, [(SENTIMENT, one)])["sentiment"] for one in (split, noise)]
    real, none = ([score(f.vectors, f.labels) for score in (logme, h_score)] for f in found)
    assert real[0] > none[0] + 0.5 and real[1] > 5 * none[1]


def test_retrieval_has_no_labels(encoder):
    with pytest.raises(XferError, match="no labels to foretell"):
        features(encoder, [(TATOEBA, rows(TATOEBA, "de", 4))])


# -- TaskEmb -------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("one", [SENTIMENT, POS, CHOICE, QUESTIONS], ids=lambda one: one.name)
def test_task_embeddings_of_every_kind(any_model, one, tmp_path):
    split = data(one, 24)
    tuned = train(
        any_model,
        [Part(one, split)],
        None,
        TrainingSettings(max_steps=3, learning_rate=1e-3, train_batch_size=8, select_by="last"),
        tmp_path / "work",
    ).directory
    first, second = (
        task_embedding(tuned, one, half, token_budget=64)
        for half in (split.select(range(16)), split.select(range(16, 24)))
    )
    assert {"layer0", "layer1"} < set(first) == set(second) and len(first) > 10
    assert all((vector >= 0).all() and vector.ndim == 1 for vector in first.values())
    alike = similarities(first, second)
    assert set(alike) == set(first) and np.median(list(alike.values())) > 0.4  # of the same task


def test_fisher_is_the_squared_gradient(encoder, tmp_path):
    """One text a batch: the mean over texts of the squared gradient of each text's loss."""
    from mlflow_xfer.models.checkpoint import load_task_model

    split = data(SENTIMENT, 6)
    tuned = train(
        encoder,
        [Part(SENTIMENT, split)],
        None,
        TrainingSettings(max_steps=2, train_batch_size=4, select_by="last"),
        tmp_path / "work",
    ).directory
    found = task_embedding(tuned, SENTIMENT, split, token_budget=1)
    tokenizer, model = load_tokenizer(tuned), load_task_model(tuned, SENTIMENT).eval()
    weight = model.roberta.encoder.layer[1].output.dense.weight
    wanted = torch.zeros(weight.numel())
    for row in split:
        model.zero_grad()
        label = torch.tensor([SENTIMENT.labels.index(row["label"])])
        model(**tokenizer(row["text_a"], return_tensors="pt"), labels=label).loss.backward()
        wanted += weight.grad.flatten() ** 2 / len(split)
    assert found["layer1.output.dense.weight"] == pytest.approx(wanted.numpy(), rel=1e-3, abs=1e-9)


def test_layers_that_share_their_weights_have_no_task_embedding(tmp_path):
    from transformers import AlbertConfig, AlbertForTokenClassification

    from tests.families import make_tokenizer

    tokenizer = make_tokenizer("bert")
    sizes = {"hidden_size": 8, "embedding_size": 8, "num_attention_heads": 2, "intermediate_size": 8}
    labels = dict(enumerate(POS.labels))
    config = AlbertConfig(vocab_size=len(tokenizer), id2label=labels, max_position_embeddings=140, **sizes)
    for part in (tokenizer, AlbertForTokenClassification(config)):
        part.save_pretrained(tmp_path)
    with pytest.raises(XferError, match="those of albert share their weights"):
        task_embedding(tmp_path, POS, rows(POS, "en", 4))
