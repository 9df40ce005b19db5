"""A pretrained pooler that a training does not read is there for the next one that does."""

from __future__ import annotations

import random

import pytest
import torch
from partly_trained import trained
from safetensors.torch import load_file, save_file
from tiny_world import POS, SENTIMENT
from transformers import AutoModelForTokenClassification

from mlflow_xfer.models import files, pooler
from mlflow_xfer.models.heads import build
from mlflow_xfer.models.load import load_config
from tests.families import make_model


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    """A language model whose files hold a pooler, as those of BERT do."""
    folder = make_model("BERT", tmp_path_factory.mktemp("bert") / "model", random.Random(0))
    width = load_config(folder).hidden_size
    numbers = torch.Generator().manual_seed(1)
    own = {
        "weight": torch.randn(width, width, generator=numbers),
        "bias": torch.randn(width, generator=numbers),
    }
    held = load_file(folder / files.WEIGHTS) | {f"bert.pooler.dense.{name}": one for name, one in own.items()}
    save_file(held, folder / files.WEIGHTS, metadata={"format": "pt"})
    return folder


def same(found, wanted) -> bool:
    return found.keys() == wanted.keys() and all(torch.equal(found[name], wanted[name]) for name in found)


def test_tagging_keeps_it_for_a_classifier(bert, tmp_path):
    tagged = trained(bert, tmp_path / "tags", POS, max_steps=2).directory
    assert same(pooler.tensors(tagged), pooler.tensors(bert)) and len(pooler.tensors(bert)) == 2
    for start in (bert, tagged):
        read = build(start, [SENTIMENT], lm=False, seed=0).backbone.pooler.state_dict()
        assert same({f"pooler.{name}": one for name, one in read.items()}, pooler.tensors(bert))
    classified = trained(tagged, tmp_path / "labels", SENTIMENT, max_steps=2).directory
    assert not same(pooler.tensors(classified), pooler.tensors(bert)), "that one trains it"
    again = trained(classified, tmp_path / "again", POS, max_steps=2).directory
    assert same(pooler.tensors(again), pooler.tensors(classified))


def test_it_is_kept_in_parts_too_and_only_where_heads_read_it(bert, any_model, tmp_path):
    parts = AutoModelForTokenClassification.from_pretrained(bert)
    parts.save_pretrained(tmp_path, max_shard_size="20KB")
    assert (tmp_path / files.INDEX).is_file() and not pooler.tensors(tmp_path)
    pooler.keep(bert, tmp_path)
    assert same(pooler.tensors(tmp_path), pooler.tensors(bert))
    loaded = build(tmp_path, [SENTIMENT], lm=False, seed=0).backbone.pooler.state_dict()
    assert same({f"pooler.{name}": one for name, one in loaded.items()}, pooler.tensors(bert))
    assert pooler.read_by_heads(load_config(bert)) and not pooler.read_by_heads(load_config(any_model))
