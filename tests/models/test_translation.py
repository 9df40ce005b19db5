"""Translation by a tiny Marian model with random weights: cached, resumed, there and back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

import mlflow_xfer
from mlflow_xfer.errors import XferError
from mlflow_xfer.home import home
from mlflow_xfer.models.translated import Kept, Said
from mlflow_xfer.models.translation import Translator
from mlflow_xfer.scoring.chrf import chrf

ROWS = [
    {"text_a": "a dog sleeps", "text_b": "an animal sleeps", "label": "entailment"},
    {"text_a": "a dog sleeps", "text_b": "", "label": "neutral"},
]

TINY = dict.fromkeys(("encoder_layers", "decoder_layers"), 1)
TINY |= dict.fromkeys(("encoder_attention_heads", "decoder_attention_heads"), 2)
TINY |= dict.fromkeys(("d_model", "encoder_ffn_dim", "decoder_ffn_dim"), 16) | {"max_position_embeddings": 64}


@pytest.fixture
def marian(tmp_path) -> Path:
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
            **TINY,
            pad_token_id=0,
            eos_token_id=1,
            decoder_start_token_id=0,
            forced_eos_token_id=None,
        )
    )
    model.generation_config.exponential_decay_length_penalty = (8, 4.0)  # so that it comes to an end
    model.save_pretrained(tmp_path / "marian")
    tokenizer.save_pretrained(tmp_path / "marian")
    return tmp_path / "marian"


@pytest.fixture
def nllb(tmp_path) -> Path:
    from transformers import M2M100Config, M2M100ForConditionalGeneration, NllbTokenizer

    words = ["<s>", "<pad>", "</s>", "<unk>", "▁a", "▁dog"]
    tokenizer = NllbTokenizer(vocab={word: n for n, word in enumerate(words)}, merges=[])
    torch.manual_seed(0)
    model = M2M100ForConditionalGeneration(
        M2M100Config(
            vocab_size=len(tokenizer),
            **TINY,
        )
    )
    model.save_pretrained(tmp_path / "nllb")
    tokenizer.save_pretrained(tmp_path / "nllb")
    return tmp_path / "nllb"


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

    (marian / "notes.txt").write_text("another model, for all that is known")
    assert Translator(str(marian)).identity(None) not in {one.stem for one in _kept()}


def _kept() -> list[Path]:
    return list((home() / "translations").iterdir())


def test_what_was_said_is_kept_past_a_line_that_was_left_half_written(marian):
    translator = Translator(str(marian), batch=1)
    first = translator.translate(["a dog", "a cat runs"])
    (file,) = _kept()
    *whole, _ = file.read_text().splitlines()
    file.write_text("\n".join([*whole, '["half']))
    assert Translator(str(marian), batch=1).translate(["a dog", "a cat runs", " "])[:2] == first
    assert Translator(str(marian)).translate([" "]) == [Said(" ")]
    assert len(Kept(file.stem).said) == 2


def test_rows_of_texts_that_are_cut_are_left_out(marian, tmp_path):
    file = tmp_path / "long.jsonl"
    rows = [{"text_a": text, "n": n} for n, text in enumerate(["a dog", "a dog " * 20, "dog"])]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    translator = Translator(str(marian))
    cut = [one.cut for one in translator.translate([row["text_a"] for row in rows])]
    assert cut[1], "its tokenizer reads 32 tokens"
    told = mlflow_xfer.translate(file=file, model=marian, out="out.jsonl", columns="text_a")
    kept = [json.loads(line)["n"] for line in Path("out.jsonl").read_text().splitlines()]
    assert kept == [n for n, one in enumerate(cut) if not one]
    assert f"{sum(cut)} texts are longer" in told


def test_a_model_whose_tokenizer_names_no_length_reads_as_many_tokens_as_it_has_places(marian):
    config = json.loads((marian / "tokenizer_config.json").read_text())
    config.pop("model_max_length")
    (marian / "tokenizer_config.json").write_text(json.dumps(config))
    (said,) = Translator(str(marian)).translate(["a dog " * 100])
    assert said.cut


def test_languages_that_a_model_does_not_have_are_refused(nllb, marian):
    tokenizer, model = Translator(str(nllb), "deu_Latn", "swh_Latn").load()
    (first, *_), *_ = tokenizer(["a dog"])["input_ids"]
    assert tokenizer.convert_ids_to_tokens(first) == "deu_Latn"
    made = []
    model.generate = lambda **how: made.append(how["forced_bos_token_id"]) or torch.tensor([[2, 0]])
    Translator(str(nllb), "deu_Latn", "swh_Latn")._generate(tokenizer, model, ["a dog"])
    assert tokenizer.convert_ids_to_tokens(made) == ["swh_Latn"]
    for source, target, said in (
        ("eng_Latn", "sw", "has no language 'sw'"),
        ("english", "swh_Latn", "has no language 'english'"),
        ("", "swh_Latn", "source=none, target=swh_Latn"),
        ("eng_Latn", "", "source=eng_Latn, target=none"),
        ("eng_Latn", "dog", "has no language 'dog'"),
    ):
        with pytest.raises(XferError, match=said):
            Translator(str(nllb), source, target).load()
    with pytest.raises(XferError, match="takes no language codes"):
        Translator(str(marian), target="deu").load()


def test_a_model_of_several_targets_is_told_which_before_the_text(marian, monkeypatch):
    from tokenizers import Tokenizer

    file = marian / "tokenizer.json"
    plain = Tokenizer.from_file(str(file))
    plain.add_special_tokens(["<2de>", "<2fr>"])
    plain.save(str(file))
    with pytest.raises(XferError, match="into several languages, and target=none is none"):
        Translator(str(marian)).load()
    with pytest.raises(XferError, match="target=xx is none"):
        Translator(str(marian), target="xx").load()
    tokenizer, _ = Translator(str(marian), target="fr").load()
    assert Translator(str(marian), target="fr")._marker(tokenizer) == "<2fr>"
    read: list[str] = []
    monkeypatch.setattr(type(tokenizer), "__call__", lambda _, texts, **__: read.extend(texts) or 1 / 0)
    with pytest.raises(ZeroDivisionError):
        Translator(str(marian), target="fr").translate(["a dog"])
    assert read == ["<2fr> a dog"]


def test_a_round_trip_is_needed_for_its_limit(tmp_path):
    with pytest.raises(XferError, match="at_least=90 is of the round trip"):
        mlflow_xfer.translate(file=tmp_path / "rows", model="m", out="o", at_least=90)


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
