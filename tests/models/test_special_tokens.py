"""Special tokens of foreign tokenizers: those without an embedding, and those that no file names."""

from __future__ import annotations

import random

import numpy as np
import pytest

from mlflow_xfer.errors import XferError
from mlflow_xfer.models import limits
from mlflow_xfer.models.embed import embed_layers
from mlflow_xfer.models.load import load_config, load_tokenizer
from tests.families import FAMILIES, STYLES, make_model, make_tokenizer

TEXT = "the ship left the old harbour <|image|> at noon"


def with_tokens(family, folder, **added):
    """A model whose tokenizer knows special tokens that it has no embedding for."""
    make_model(family, folder, random.Random(0))
    tokenizer = make_tokenizer(FAMILIES[family][0])
    tokenizer.add_special_tokens(added)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.mark.parametrize("family", FAMILIES)
def test_markup_without_embedding_is_read_as_its_signs(family, tmp_path):
    folder = with_tokens(family, tmp_path / "model", additional_special_tokens=["<|image|>"])
    tokenizer, config = load_tokenizer(folder), load_config(folder)
    plain = make_tokenizer(FAMILIES[family][0])
    assert tokenizer(TEXT)["input_ids"] == plain(TEXT)["input_ids"]
    limits.check_vocabulary(config, tokenizer)
    vectors = embed_layers(folder, [TEXT, "noon"], layers=["auto"], max_seq_length=64)
    assert np.isfinite(next(iter(vectors.values()))).all()
    tokenizer.save_pretrained(folder)  # as it is published with what is trained
    assert load_tokenizer(folder)(TEXT)["input_ids"] == plain(TEXT)["input_ids"]


@pytest.mark.parametrize("family", ["GPT-2", "LLaMA", "BLOOM", "BERT"])
def test_a_pad_token_without_embedding_pads_nothing(family, tmp_path):
    folder = with_tokens(family, tmp_path / "model", pad_token="[NEW PAD]")
    tokenizer, config = load_tokenizer(folder), load_config(folder)
    assert tokenizer.pad_token != "[NEW PAD]" and tokenizer.pad_token_id < config.vocab_size
    assert limits.pad_id(config, tokenizer) < config.vocab_size


def test_a_token_around_every_text_needs_an_embedding(tmp_path):
    from tokenizers import processors

    folder = with_tokens("GPT-2", tmp_path / "model")
    tokenizer = make_tokenizer("gpt2")
    tokenizer.add_special_tokens({"cls_token": "[CLS]"})
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A", pair="[CLS] $A $B", special_tokens=[("[CLS]", tokenizer.cls_token_id)]
    )
    with pytest.raises(XferError, match=r"none for \[CLS\]"):
        limits.check_vocabulary(load_config(folder), tokenizer)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_tokenizer_json_alone_is_read_as_it_is(family, tmp_path):
    """Its special tokens by the numbers in the model's configuration, and by their spelling."""
    folder = make_model(family, tmp_path / "model", random.Random(0))
    known = load_tokenizer(folder)
    for file in folder.iterdir():
        if file.name not in ("tokenizer.json", "config.json", "model.safetensors"):
            file.unlink()
    found = load_tokenizer(folder)
    assert found("the ship", "at noon")["input_ids"] == known("the ship", "at noon")["input_ids"]
    names = [f"{name}_token_id" for name in STYLES[FAMILIES[family][0]][2]]
    if family == "GPT-2":  # spelled as another special token is
        names.remove("unk_token_id")
    assert {name: getattr(found, name) for name in names} == {name: getattr(known, name) for name in names}
