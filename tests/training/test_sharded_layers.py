"""What FSDP divides by itself are layers, and of each family all of them."""

from __future__ import annotations

import random

import pytest
import torch
from transformers import AlbertConfig, AlbertModel, AutoModel

from mlflow_xfer.training.devices import layers_of
from tests.families import FAMILIES, make_tokenizer


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_layers_are_found_and_hold_no_embeddings(family):
    style, make = FAMILIES[family]
    with torch.device("meta"):
        backbone = AutoModel.from_config(make(random.Random(3), make_tokenizer(style)))
    layers = layers_of(backbone)
    assert len(layers) == backbone.config.num_hidden_layers >= 2
    words = id(backbone.get_input_embeddings().weight)
    assert words not in {id(weight) for layer in layers for weight in layer.parameters()}


def test_layers_that_share_their_weights_cannot_be_divided():
    with torch.device("meta"):
        shared = AlbertModel(AlbertConfig(hidden_size=8, num_attention_heads=2, intermediate_size=8))
    assert layers_of(shared) == []
