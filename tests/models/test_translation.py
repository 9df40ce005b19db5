"""Translation by a tiny Marian model with random weights: cached, resumed, there and back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import mlflow_xfer
from mlflow_xfer.errors import XferError
from mlflow_xfer.models.translation import Translator
from mlflow_xfer.scoring.chrf import chrf

ROWS = [
    {"text_a": "a dog sleeps", "text_b": "an animal sleeps", "label": "entailment"},
    {"text_a": "a dog sleeps", "text_b": "", "label": "neutral"},
]


@pytest.fixture
def marian(tmp_path) -> Path:
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import MarianConfig, MarianMTModel, PreTrainedTokenizerFast

    words = ["<pad>", "</s>", "<unk>", "a", "an", "dog", "animal", "sleeps", "runs"]
    plain = Tokenizer(models.WordLevel({word: n for n, word in enumerate(words)}, unk_token="<unk>"))
    plain.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=plain, pad_token="<pad>", eos_token="</s>", unk_token="<unk>", model_max_length=32
    )
    torch.manual_seed(0)
    model = MarianMTModel(
        MarianConfig(
            vocab_size=len(words),
            d_model=16,
            encoder_layers=1,
            decoder_layers=1,
            encoder_attention_heads=2,
            decoder_attention_heads=2,
            encoder_ffn_dim=16,
            decoder_ffn_dim=16,
            max_position_embeddings=64,
            pad_token_id=0,
            eos_token_id=1,
            decoder_start_token_id=0,
            forced_eos_token_id=None,
        )
    )
    model.save_pretrained(tmp_path / "marian")
    tokenizer.save_pretrained(tmp_path / "marian")
    return tmp_path / "marian"


def test_rows_are_translated_once_and_there_and_back(marian, tmp_path, monkeypatch):
    file = tmp_path / "nli.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    said = mlflow_xfer.translate(file=file, model=marian, out="nli.de.jsonl", back=marian)
    made = [json.loads(line) for line in Path("nli.de.jsonl").read_text().splitlines()]
    assert [row["label"] for row in made] == ["entailment", "neutral"] and made[1]["text_b"] == ""
    assert made[0]["text_a"] == made[1]["text_a"] != ROWS[0]["text_a"]
    figures = json.loads(Path("nli.de.jsonl.report.json").read_text())
    assert figures["texts"] == 4 and 0 <= figures["round_trip_chrf"] <= 100 and "2 of 2 rows" in said

    calls = []
    with monkeypatch.context() as patched:
        patched.setattr(Translator, "_generate", lambda *_: calls.append(1))
        mlflow_xfer.translate(file=file, model=marian, out="again.jsonl")
    assert not calls, "all of it is kept"
    assert Path("again.jsonl").read_bytes() == Path("nli.de.jsonl").read_bytes()

    left = mlflow_xfer.translate(file=file, model=marian, out="few.jsonl", back=marian, at_least=100)
    assert "0 of 2 rows" in left and Path("few.jsonl").read_text() == ""


def test_bad_input_is_said_before_a_model_is_loaded(tmp_path):
    file = tmp_path / "rows.jsonl"
    file.write_text('{"text_a": "a dog"}\n')
    with pytest.raises(XferError, match="rows.jsonl:1 has no text 'text_b', but: text_a"):
        mlflow_xfer.translate(file=file, model="nowhere", out="out.jsonl")
    with pytest.raises(XferError, match="there is something already"):
        mlflow_xfer.translate(file=file, model="nowhere", out=file, columns="text_a")
    file.write_text("")
    with pytest.raises(XferError, match="has no rows"):
        mlflow_xfer.translate(file=file, model="nowhere", out="out.jsonl")


def test_what_is_no_translator_is_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(XferError, match="cannot be loaded as a translator"):
        Translator(str(tmp_path / "empty")).load()


def test_chrf():
    assert chrf("a dog sleeps", "a dog sleeps") == 100 and chrf("", "") == 100
    assert chrf("", "a dog") == 0 and chrf("xyz", "dog") == 0
    assert 40 < chrf("a dog slept", "a dog sleeps") < 90
    assert chrf("a dog", "a dog sleeps") < chrf("a dog sleeps", "a dog"), "recall counts twice"
