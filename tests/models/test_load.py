"""Loading: from nothing by a seed alone, from a directory with safetensors only, and clear refusals."""

from __future__ import annotations

import json
import shutil

import pytest
import torch
from tiny_texts import TEXTS

from mlflow_xfer.errors import XferError
from mlflow_xfer.models.load import (
    SIZES,
    build_scratch,
    is_decoder,
    load_backbone,
    load_config,
    load_lm,
    load_tokenizer,
    parse_scratch,
    randomised,
    scratch_config,
)
from mlflow_xfer.models.tokenizer import train_tokenizer


@pytest.mark.parametrize("architecture", ["xlm-roberta", "llama"])
def test_random_weights_depend_on_the_seed_alone(architecture):
    tokenizer = train_tokenizer(TEXTS, 200, architecture)
    torch.manual_seed(5)
    state = torch.random.get_rng_state()
    one, same, other = (
        build_scratch(architecture, "tiny", tokenizer, seed).state_dict() for seed in (1, 1, 2)
    )
    assert torch.equal(state, torch.random.get_rng_state())
    assert all(torch.equal(one[k], same[k]) for k in one) and not all(
        torch.equal(one[k], other[k]) for k in one
    )


def test_sizes():
    tokenizer = train_tokenizer(TEXTS, 200, "xlm-roberta")
    widths = {name: size for name, size in SIZES.items() if name.startswith("mini")}
    assert {"tiny", "small"} == set(SIZES) - set(widths) and len(widths) == 5
    assert (
        len({(size["layers"], size["heads"], size["std"], size["vocab_size"]) for size in widths.values()})
        == 1
    )
    assert all(size["inner"] == 2 * size["hidden"] for size in widths.values())
    config = scratch_config("xlm-roberta", "mini", tokenizer)
    assert (config.hidden_size, config.num_hidden_layers, config.initializer_range) == (128, 2, 0.04)
    assert config.max_position_embeddings == 512 + 2 and config.vocab_size == len(tokenizer)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("scratch:xlm-roberta:mnii", "Did you mean 'mini'"),
        ("scratch:bert:tiny", "Unknown architecture 'bert'"),
        ("scratch:tiny", "not of the form"),
    ],
)
def test_unknown_scratch_models_are_refused(name, message):
    with pytest.raises(XferError, match=message):
        parse_scratch(name)


def test_a_saved_model_comes_back_with_its_head_tied(any_model):
    lm, backbone = load_lm(any_model), load_backbone(any_model)
    assert lm.get_output_embeddings().weight is lm.get_input_embeddings().weight
    assert torch.equal(backbone.get_input_embeddings().weight, lm.get_input_embeddings().weight)
    assert is_decoder(backbone.config) == ("llama" in str(any_model))


def test_a_control_has_the_configuration_but_other_weights(any_model, tmp_path):
    made = randomised(any_model, tmp_path / "control", 7)
    ours, theirs = load_backbone(made), load_backbone(any_model)
    assert ours.config.hidden_size == theirs.config.hidden_size
    assert not torch.equal(ours.get_input_embeddings().weight, theirs.get_input_embeddings().weight)
    assert load_tokenizer(made)(TEXTS)["input_ids"] == load_tokenizer(any_model)(TEXTS)["input_ids"]


def broken(encoder, tmp_path, change):
    folder = shutil.copytree(encoder, tmp_path / "broken")
    change(folder)
    return folder


def edited(**changes):
    def change(folder):
        raw = json.loads((folder / "config.json").read_text()) | changes
        (folder / "config.json").write_text(json.dumps(raw))

    return change


def pickled(folder):
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(b"never read")


REFUSED = {
    "no config": (lambda f: (f / "config.json").unlink(), "holds no config.json"),
    "no weights": (lambda f: (f / "model.safetensors").unlink(), "holds no model.safetensors"),
    "pickled weights": (pickled, "pickled weights only"),
    "malformed config": (lambda f: (f / "config.json").write_text("{"), "malformed"),
    "truncated weights": (lambda f: (f / "model.safetensors").write_bytes(b"\x08" * 40), "cannot be loaded"),
    "a vision model": (edited(model_type="vit"), "'vit', no text encoder or decoder"),
    "an encoder-decoder": (edited(model_type="m2m_100"), "'m2m_100', an encoder-decoder"),
    "an unknown architecture": (edited(model_type="frobnicator"), "'frobnicator', no text encoder"),
    "more positions than it says": (
        edited(max_position_embeddings=20),
        r"has the shape \d+ x 32.*be 20 x 32",
    ),
    "a larger vocabulary": (edited(vocab_size=9999), r"config\.json it would be 9999 x 32"),
    "no pad token to count from": (edited(pad_token_id=None), "has no pad_token_id, after which xlm-roberta"),
    "code of its own": (edited(auto_map={"AutoModel": "evil.Model"}), "needs code of its own"),
}


@pytest.mark.parametrize("fault", REFUSED)
def test_what_is_no_model_of_ours_is_refused(fault, encoder, tmp_path):
    change, message = REFUSED[fault]
    with pytest.raises(XferError, match=message):
        load_backbone(broken(encoder, tmp_path, change))


def test_a_missing_directory_or_tokenizer_is_refused(encoder, tmp_path):
    with pytest.raises(XferError, match="does not exist"):
        load_backbone(tmp_path / "nowhere")
    folder = broken(encoder, tmp_path, lambda f: (f / "tokenizer.json").unlink())
    with pytest.raises(XferError, match="holds no tokenizer"):
        load_tokenizer(folder)


@pytest.mark.parametrize("said", ["512", None, 8, 1e30])
def test_a_tokenizer_has_no_say_in_how_long_texts_are(encoder, tmp_path, said):
    about = json.loads((encoder / "tokenizer_config.json").read_text()) | {"model_max_length": said}
    folder = broken(encoder, tmp_path, lambda f: (f / "tokenizer_config.json").write_text(json.dumps(about)))
    assert len(load_tokenizer(folder)("fox " * 30)["input_ids"]) > 30


def test_bert_is_welcome(tmp_path):
    from transformers import BertConfig, BertForMaskedLM

    BertForMaskedLM(
        BertConfig(
            vocab_size=50, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16
        )
    ).save_pretrained(tmp_path)
    assert not is_decoder(load_config(tmp_path)) and load_lm(tmp_path).config.hidden_size == 16
