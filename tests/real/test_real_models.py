"""Real weights (``XFER_REAL_MODELS``: a folder with ``encoder`` and ``decoder``):
they load and do what trained models do.
"""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from tests.models.test_alone import check, check_packed

pytestmark = pytest.mark.slow


@pytest.fixture
def real_models() -> Path:
    folder = os.environ.get("XFER_REAL_MODELS")
    if not folder:
        pytest.skip("XFER_REAL_MODELS is not set")
    return Path(folder)


def test_the_encoder_puts_translations_together(real_models):
    from mlflow_xfer.models.embed import embed_layers

    texts = [
        "The cat sleeps on the sofa.",
        "Die Katze schläft auf dem Sofa.",
        "The parliament passed a new tax law.",
        "Das Parlament verabschiedete ein neues Steuergesetz.",
    ]
    vectors = embed_layers(real_models / "encoder", texts, layers=[12])[12]
    vectors /= (vectors**2).sum(1, keepdims=True) ** 0.5
    cat, katze, law, gesetz = vectors
    assert cat @ katze > max(cat @ law, cat @ gesetz) and law @ gesetz > max(law @ cat, law @ katze)


def test_the_decoder_finds_sense_likelier_than_the_same_words_shuffled(real_models):
    import torch

    from mlflow_xfer.models.load import load_lm, load_tokenizer

    tokenizer, model = load_tokenizer(real_models / "decoder"), load_lm(real_models / "decoder").eval()
    losses = []
    for text in ("The capital of France is Paris.", "Paris capital is France. of The"):
        ids = torch.tensor([tokenizer.encode(text)])
        with torch.no_grad():
            losses.append(float(model(input_ids=ids, labels=ids).loss))
    assert 0 < losses[0] < losses[1] < float("inf")


@pytest.mark.parametrize("name", ["encoder", "decoder"])
def test_examples_read_alone_as_they_do_among_others(name, real_models):
    assert {"classification", "multiple_choice", "retrieval"} <= check(real_models / name, random.Random(0))


def test_packed_texts_read_as_they_do_alone(real_models):
    check_packed(real_models / "decoder", random.Random(0))


def test_the_decoder_is_prompted_for_causes_and_effects(real_models, real_data):
    """English COPA by likelihood, nothing trained: above chance with its whole interval."""
    import mlflow_xfer

    found = mlflow_xfer.evaluate(
        model=str(real_models / "decoder"),
        data=str(real_data / "xtreme"),
        target="copa",
        shots=0,
        max_eval_examples=150,
    )
    (row,) = next(one for title, one in found.summary.as_dict()["tables"].items() if title == "copa")
    low, high = row["95 % interval"]
    assert row["examples"] == 150 and row["chance"] == 50
    assert 50 < low < row["score"] < high
