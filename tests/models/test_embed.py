"""Embeddings: pooling by hand, layers by their index, any batch size."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import torch
from tiny_texts import TEXTS

from mlflow_xfer.errors import XferError
from mlflow_xfer.models.embed import auto_layer, embed_layers
from mlflow_xfer.models.limits import is_decoder
from mlflow_xfer.models.load import load_backbone, load_tokenizer


def by_hand(folder, text, layer, pooling):
    tokenizer, model = load_tokenizer(folder), load_backbone(folder).eval()
    with torch.no_grad():
        states = model(**tokenizer([text], return_tensors="pt"), output_hidden_states=True).hidden_states[
            layer
        ][0]
    return {"mean": states.mean(0), "cls": states[0], "last": states[-1]}[pooling].numpy()


@pytest.mark.parametrize("pooling", ["mean", "cls", "last"])
@pytest.mark.parametrize("layer", [0, 1, 2])
def test_a_vector_is_the_pooled_layer(any_model, layer, pooling):
    if pooling == "cls" and is_decoder(load_backbone(any_model).config):
        with pytest.raises(XferError, match="has read nothing"):
            embed_layers(any_model, TEXTS[:1], layers=[layer], pooling=pooling)
        return
    got = embed_layers(any_model, TEXTS[:4], layers=[layer], pooling=pooling, token_budget=64)[layer]
    assert got.dtype == np.float32
    for vector, text in zip(got, TEXTS, strict=False):
        assert vector == pytest.approx(by_hand(any_model, text, layer, pooling), abs=1e-5)


def test_batches_do_not_change_vectors_or_their_order(encoder):
    texts = [" ".join(TEXTS[: i % 7 + 1]) for i in range(23)]
    small, large = (
        embed_layers(encoder, texts, layers=[1], token_budget=budget)[1] for budget in (1, 100_000)
    )
    assert small == pytest.approx(large, abs=1e-5)


def test_a_sweep_gives_every_layer(encoder):
    found = embed_layers(encoder, TEXTS[:3])
    assert list(found) == [0, 1, 2]
    auto = embed_layers(encoder, TEXTS[:3], layers=["auto"])
    assert list(auto) == [auto_layer(2)]
    assert auto[auto_layer(2)] == pytest.approx(found[auto_layer(2)], abs=1e-6)


def test_auto_is_the_layer_of_the_benchmarks():
    assert [auto_layer(n) for n in (24, 12, 3, 2, 1)] == [14, 7, 2, 2, 1]


def test_layers_that_are_not_there_are_refused(encoder):
    with pytest.raises(XferError, match="layer=3, but .* layers 0 to 2"):
        embed_layers(encoder, TEXTS, layers=[3])


def test_no_texts_no_vectors(encoder):
    assert embed_layers(encoder, [], layers=[2])[2].shape == (0, 32)


def test_vectors_that_are_no_numbers_are_refused(encoder, tmp_path):
    """Finite weights of a model whose products are not."""
    from safetensors.torch import load_file, save_file

    folder = shutil.copytree(encoder, tmp_path / "model")
    weights = load_file(folder / "model.safetensors")
    loud = {
        name: value * 1e30 if ".layer.0.output.dense" in name else value for name, value in weights.items()
    }
    save_file(loud, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(XferError, match="Layer 1 of the model .* 3 of 3 texts no numbers"):
        embed_layers(folder, TEXTS[:3], layers=[0, 1])
