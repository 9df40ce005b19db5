"""Loading from a directory with safetensors only, and clear refusals."""

from __future__ import annotations

import json
import shutil

import pytest
import torch

from mlflow_xfer.errors import XferError
from mlflow_xfer.models.limits import is_decoder
from mlflow_xfer.models.load import load_backbone, load_config, load_lm, load_tokenizer


def test_a_saved_model_comes_back_with_its_head_tied(any_model):
    lm, backbone = load_lm(any_model), load_backbone(any_model)
    assert lm.get_output_embeddings().weight is lm.get_input_embeddings().weight
    assert torch.equal(backbone.get_input_embeddings().weight, lm.get_input_embeddings().weight)
    assert is_decoder(backbone.config) == ("llama" in str(any_model))


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


@pytest.mark.parametrize(
    "config",
    ["XLMRobertaConfig", "BertConfig", "DebertaV2Config", "GPT2Config", "RobertaConfig", "MT5Config"],
)
@pytest.mark.parametrize("named", [False, True])
def test_an_empty_tokenizer_that_transformers_makes_up_is_refused(config, named, tmp_path):
    """As Trainer leaves a checkpoint that it was given no tokenizer for: every word would be unknown."""
    import transformers

    getattr(transformers, config)().save_pretrained(tmp_path)
    if named:
        name = config.replace("Config", "Tokenizer").replace("MT5", "T5")
        (tmp_path / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": name}))
    with pytest.raises(
        XferError, match=r"no tokenizer: none of tokenizer\.json.* is there(.|\n)*save_pretrained"
    ):
        load_tokenizer(tmp_path)


def test_a_vocabulary_of_special_tokens_that_was_saved_is_a_tokenizer(tmp_path):
    """As small as the model beside it may be: it is what the model was made for."""
    from transformers import BertConfig, BertTokenizerFast

    BertConfig(vocab_size=5).save_pretrained(tmp_path)
    BertTokenizerFast().save_pretrained(tmp_path)
    assert len(load_tokenizer(tmp_path)) == 5


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
