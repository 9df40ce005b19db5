"""Real weights (``XFER_REAL_MODELS``: a folder with ``encoder`` and ``decoder``):
they load and do what trained models do.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

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
