"""What a model reads: how many tokens, which of them, filled up with what, told apart by which ids."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch

from mlflow_xfer.errors import XferError
from mlflow_xfer.models import limits
from mlflow_xfer.models.load import load_backbone, load_tokenizer
from mlflow_xfer.training.batches import reading, stacked
from tests.families import FAMILIES, make_model, make_tokenizer


def test_the_architectures_whose_positions_begin_after_the_pad_id():
    """As transformers builds them: their table of positions has a row for padding."""
    from transformers import AutoConfig, AutoModel
    from transformers.models.auto.modeling_auto import MODEL_FOR_MASKED_LM_MAPPING_NAMES as MASKED

    found = set()
    for name in MASKED:
        config = AutoConfig.for_model(name)
        if not getattr(config, "vocab_size", None) or config.is_encoder_decoder or name in ("esm", "funnel"):
            continue  # without a table of positions, or without sizes
        config.num_hidden_layers = 1
        with torch.device("meta"):
            model = AutoModel.from_config(config)
        tables = {n: m for n, m in model.named_modules() if n.endswith("embeddings.position_embeddings")}
        if any(getattr(table, "padding_idx", None) is not None for table in tables.values()):
            found.add(name)
    assert found == limits.AFTER_PAD & set(MASKED)


@pytest.mark.parametrize(
    ("config", "most"),
    [
        ({"model_type": "xlm-roberta", "max_position_embeddings": 514, "pad_token_id": 1}, 512),
        ({"model_type": "xlm-roberta", "max_position_embeddings": 514, "pad_token_id": 3}, 510),
        ({"model_type": "roberta", "max_position_embeddings": 130, "pad_token_id": 0}, 129),
        ({"model_type": "mpnet", "max_position_embeddings": 514, "pad_token_id": 0}, 512),
        ({"model_type": "bert", "max_position_embeddings": 64, "pad_token_id": 7}, 64),
        ({"model_type": "gpt2", "n_positions": 1024}, 1024),
        ({"model_type": "gemma3", "text_config": {"max_position_embeddings": 32}}, 32),
        ({"model_type": "bloom"}, None),
        ({"model_type": "xlnet", "max_position_embeddings": -1}, None),
    ],
)
def test_the_most_tokens_of_a_row(config, most):
    assert limits.longest(config) == most


@pytest.mark.parametrize("family", ["XLM-R", "XLM-R-XL", "BERT", "GPT-2"])
def test_a_model_reads_that_many_tokens_and_no_more(family, tmp_path):
    folder = make_model(family, tmp_path / "model", random.Random(3))
    model, tokenizer = load_backbone(folder), load_tokenizer(folder)
    most = limits.longest(model.config.to_dict())
    assert most is not None and model(torch.full((1, most), 7)).last_hidden_state.isfinite().all()
    with pytest.raises((IndexError, RuntimeError)):
        model(torch.full((1, most + 1), 7))
    with pytest.raises(XferError, match=f"reads at most {most} tokens"):
        limits.check_length(most + 1, most)
    limits.check_length(most, most)
    limits.check_vocabulary(model.config, tokenizer)


@pytest.mark.parametrize(
    ("pad", "of_config", "wanted"),
    [("<pad>", 1, 1), ("<pad>", None, 1), (None, 2, 2), (None, -1, 0), (None, 400, 0), ("[NEW]", 2, 2)],
)
def test_rows_are_filled_up_with_a_token_that_has_an_embedding(pad, of_config, wanted):
    from transformers import XLMRobertaConfig

    tokenizer = make_tokenizer("roberta", pad_token=pad, eos_token="<s>", sep_token="</s>")
    size = len(tokenizer) - (pad == "[NEW]")
    config = XLMRobertaConfig(vocab_size=size)
    config.pad_token_id = of_config
    assert limits.pad_id(config, tokenizer) == wanted


def test_tokens_without_embedding_are_refused_by_name():
    from transformers import BertConfig

    tokenizer = make_tokenizer("bert")
    config = BertConfig(vocab_size=len(tokenizer))
    limits.check_vocabulary(config, tokenizer)
    tokenizer.add_tokens(["@user", "@link"])
    with pytest.raises(XferError, match="none for @user, @link"):
        limits.check_vocabulary(config, tokenizer)


def test_markup_without_embedding_is_refused_where_a_text_holds_it():
    """As the image token of a tokenizer whose text model has no place for it."""
    from transformers import GPT2Config

    tokenizer = make_tokenizer("gpt2")
    config = GPT2Config(vocab_size=len(tokenizer))
    tokenizer.add_special_tokens({"additional_special_tokens": ["<image_soft_token>"]})
    limits.check_vocabulary(config, tokenizer)
    how = reading(tokenizer, config, decoder=True)
    fine, marked = (np.array(tokenizer(text)["input_ids"]) for text in ("a ship", "a <image_soft_token>"))
    assert stacked([fine], [len(fine)], how)["input_ids"].max() < config.vocab_size
    with pytest.raises(XferError, match=f"only {config.vocab_size} embeddings"):
        stacked([fine, marked], [len(fine), len(marked)], how)


def test_a_text_of_no_tokens_is_read_as_one():
    from transformers import GPT2Config

    tokenizer = make_tokenizer("gpt2")
    how = reading(tokenizer, GPT2Config(vocab_size=len(tokenizer)), decoder=True)
    alone, both = (
        stacked([np.zeros(0, np.int64), *more], [0, *map(len, more)], how) for more in ([], [np.arange(3, 8)])
    )
    assert alone["attention_mask"].tolist() == [[1]] and both["attention_mask"][0].tolist() == [1, 0, 0, 0, 0]


# single: before, text, after; pair: before, first, between, second, after
TEMPLATES = {
    "bert": ("[CLS] $A [SEP]", "[CLS] $A [SEP] $B:1 [SEP]:1"),
    "a class of its own": ("[CLS]:2 $A [SEP]", "[CLS]:2 $A [SEP] $B:1 [SEP]:1"),
    "two separators": ("[CLS] $A [SEP]", "[CLS] $A [SEP] [SEP]:1 $B:1 [SEP]:1"),
    "first text marked": ("[CLS] $A:1 [SEP]:1", "[CLS] $A:1 [SEP]:1 $B:0 [SEP]:0"),
    "nothing after": ("[CLS] $A", "[CLS] $A [SEP] $B:1"),
}


@pytest.mark.parametrize("template", TEMPLATES)
@pytest.mark.parametrize("second", [None, "the harbour was old"])
def test_segment_ids_are_those_of_the_tokenizer(template, second):
    from tokenizers import processors
    from transformers import BertConfig

    tokenizer = make_tokenizer("bert")
    single, pair = TEMPLATES[template]
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single=single, pair=pair, special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    theirs = tokenizer("the ship left", second, return_tensors="pt")
    owners = tokenizer("the ship left", second).sequence_ids(0)
    begin = owners.index(1) if second else len(owners)
    how = reading(tokenizer, BertConfig(vocab_size=len(tokenizer), type_vocab_size=3), decoder=False)
    row, other = theirs["input_ids"][0].numpy(), np.arange(40)
    ours = stacked([row, other], [begin, 40], how)["token_type_ids"]
    assert torch.equal(ours[0, : len(row)], theirs["token_type_ids"][0]) and not ours[0, len(row) :].any()


def test_a_tokenizer_that_gives_no_segment_ids_stands_for_zeros():
    from transformers import BertConfig, XLMRobertaConfig

    tokenizer = make_tokenizer("bert", model_input_names=["input_ids", "attention_mask"])
    found = limits.segments(BertConfig(vocab_size=len(tokenizer)), tokenizer)
    assert found is not None and not found.of(9, 4).any()
    assert limits.segments(XLMRobertaConfig(type_vocab_size=1), make_tokenizer("bert")) is None


def test_segment_ids_without_a_table_of_them_are_those_of_the_tokenizer():
    """XLNet compares them: a tokenizer that gives none leaves nothing to compare."""
    from tokenizers import processors
    from transformers import XLNetConfig

    tokenizer = make_tokenizer("bert")
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="$A [SEP] [CLS]:2",
        pair="$A [SEP] $B:1 [SEP]:1 [CLS]:2",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    config = XLNetConfig(vocab_size=len(tokenizer))
    found = limits.segments(config, tokenizer)
    theirs = tokenizer("the ship left", "the harbour was old")
    second = theirs.sequence_ids(0).index(1)
    assert found is not None
    assert found.of(len(theirs["input_ids"]), second).tolist() == theirs["token_type_ids"]
    assert limits.segments(config, make_tokenizer("roberta")) is None


@pytest.mark.parametrize("family", FAMILIES)
def test_decoders_and_their_heads_agree_on_the_pad_id_and_encoders_keep_theirs(family, tmp_path):
    from mlflow_xfer.models.heads import build

    folder = make_model(family, tmp_path / "model", random.Random(1))
    tokenizer, model = load_tokenizer(folder), build(folder, [], lm=False, seed=0)
    before = model.backbone.config.pad_token_id
    limits.agree(model, tokenizer)
    wanted = limits.pad_id(model.config, tokenizer) if model.decoder else before
    assert model.backbone.config.pad_token_id == model.lm.config.pad_token_id == wanted
    assert isinstance(wanted, int)
