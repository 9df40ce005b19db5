"""What a model says of an example is the same alone and among others: at any place of any batch, filled up to
any width, whatever side its tokenizer would fill up; and a packed document reads as it does alone."""

from __future__ import annotations

import random
from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from datasets import Dataset

from mlflow_xfer.data.encode import encode
from mlflow_xfer.data.packing import Masking, Packer
from mlflow_xfer.errors import XferError
from mlflow_xfer.kinds import kind
from mlflow_xfer.models.attention import masked_inputs, packing_of
from mlflow_xfer.models.dual import TARGET
from mlflow_xfer.models.embed import embed_layers
from mlflow_xfer.models.heads import build, lm_loss_sum, run
from mlflow_xfer.models.limits import UNREADABLE, agree, is_decoder
from mlflow_xfer.models.load import load_config, load_tokenizer
from mlflow_xfer.tasks.task import Task
from mlflow_xfer.training.batches import lm_batch, reading
from mlflow_xfer.training.lm import TEXT
from tests.families import FAMILIES, LINES, make_model

CLOSE = 1e-5
WORDS = sorted({word for line in LINES for word in line.split()})[-24:]
HEADS = ("classification", "regression", "tagging", "multiple_choice", "span_qa", "retrieval")
LENGTH = 48

NORMAL = range(60)
NIGHTLY = range(60, 260)


def text(draw: random.Random, most: int = 14) -> str:
    return " ".join(draw.choice(WORDS) for _ in range(draw.randint(1, most)))


def example(kind_name: str, draw: random.Random) -> dict[str, Any]:
    if kind_name == "tagging":
        return {"words": text(draw).split()}
    if kind_name == "multiple_choice":
        choices = [text(draw, 6) for _ in range(draw.randint(2, 4))]
        return {"context": text(draw), "question": text(draw, 5), "choices": choices}
    if kind_name == "span_qa":
        return {"context": text(draw, 40), "question": text(draw, 5)}
    if kind_name == "retrieval":
        return {"source": text(draw), "target": text(draw)}
    return {"text_a": text(draw), "text_b": text(draw) if draw.random() < 0.5 else None}


def encoded(kind_name: str, tokenizer: Any, decoder: bool, draw: random.Random) -> tuple[Task, Any]:
    rows = [{"id": str(i), **example(kind_name, draw)} for i in range(5)]
    task = Task("t", kind_name, metric="", languages=(), sources={}, labels=("a", "b", "c"))
    return task, encode(Dataset.from_list(rows), task, tokenizer, LENGTH, decoder=decoder, cached=False)


def wider(inputs: dict[str, torch.Tensor], pad: int, more: int) -> dict[str, torch.Tensor]:
    """``inputs`` with ``more`` tokens of padding on the right."""
    return {
        name: torch.nn.functional.pad(tensor, (0, more), value=pad if name.endswith("input_ids") else 0)
        for name, tensor in inputs.items()
    }


def said(head: Any, inputs: dict[str, torch.Tensor], decoder: bool) -> list[torch.Tensor]:
    """What a head says of each row: for a dual encoder both vectors."""
    if any(name.startswith(TARGET) for name in inputs):
        sides = [{n: t for n, t in inputs.items() if not n.startswith(TARGET)}]
        sides.append({n.removeprefix(TARGET): t for n, t in inputs.items() if n.startswith(TARGET)})
        return [head.encode(**side) for side in sides]
    output = run(head, inputs, decoder)
    return [output.logits] if "logits" in output else [output.start_logits, output.end_logits]


def same(one: torch.Tensor, other: torch.Tensor) -> None:
    """Over what both have: ``other`` may be wider."""
    there = other[tuple(slice(0, n) for n in one.shape)]
    assert one.isfinite().all()
    assert (one - there).abs().max() <= CLOSE * max(1.0, float(one.abs().max()))


def check_random(number: int, folder: Any) -> set[str]:
    """All that this file claims, for one random model; the kinds that it has heads for."""
    draw = random.Random(number)
    family = list(FAMILIES)[number % len(FAMILIES)]
    make_model(family, folder, draw)
    kinds = check(folder, draw)
    check_packed(folder, draw)
    return kinds


@torch.no_grad()
def check(folder: Any, draw: random.Random) -> set[str]:
    """That examples read alone as they do among others; the kinds that the model has heads for."""
    tokenizer = load_tokenizer(folder)
    done = set()
    for kind_name in HEADS:
        task = Task("t", kind_name, metric="", languages=(), sources={}, labels=("a", "b", "c"))
        try:
            model = build(folder, [task], lm=False, seed=0).eval()
        except XferError as error:
            assert " head for architecture" in str(error)
            continue
        agree(model, tokenizer)
        head, how = model.head("t"), reading(tokenizer, model.config, model.decoder)
        shared = {id(parameter) for parameter in model.backbone.parameters()}
        for parameter in head.parameters():
            if id(parameter) not in shared and parameter.dim() > 1:
                parameter.mul_(15)  # heads begin so small that differences would not show
        task, rows = encoded(kind_name, tokenizer, model.decoder, draw)
        made = kind.model(kind_name)
        for row in range(min(len(rows), 3)):
            alone = [side[0] for side in said(head, made.inputs(rows, [row], how), model.decoder)]
            others = [n for n in range(len(rows)) if n != row]
            batch = draw.sample(others, draw.randint(1, len(others)))
            at = draw.randint(0, len(batch))
            batch.insert(at, row)
            inputs = made.inputs(rows, batch, how)
            more = draw.randint(0, LENGTH - max(t.shape[-1] for t in inputs.values()))
            among = said(head, wider(inputs, how.pad_id, more), model.decoder)
            length = int(rows.lengths[row])
            for one, other in zip(alone, among, strict=True):
                per_token = kind_name in ("tagging", "span_qa")
                same(one[:length] if per_token else one, other[at])
        done.add(kind_name)
    _vectors(folder, draw)
    return done


def _vectors(folder: Any, draw: random.Random) -> None:
    texts = [text(draw) for _ in range(5)]
    for pooling in ("mean", "last"):
        together = embed_layers(folder, texts, pooling=pooling, max_seq_length=LENGTH)
        alone = embed_layers(folder, texts[2:3], pooling=pooling, max_seq_length=LENGTH)
        for layer, vectors in alone.items():
            same(torch.from_numpy(vectors[0]), torch.from_numpy(together[layer][2]))


@torch.no_grad()
def check_packed(folder: Any, draw: random.Random) -> None:
    """The loss of packed texts is that of each text alone, read by transformers' own model."""
    tokenizer = load_tokenizer(folder)
    model = build(folder, [], lm=True, seed=0).eval()
    rows = Dataset.from_list([{"id": str(i), "text": text(draw, 30)} for i in range(12)])
    texts = encode(rows, TEXT, tokenizer, LENGTH, decoder=model.decoder, cached=False)
    masking = None
    if not model.decoder:
        masking = Masking(tokenizer.mask_token_id, len(tokenizer), tuple(tokenizer.all_special_ids), 0.3)
    how = reading(tokenizer, model.config, model.decoder)
    how = replace(how, packing=packing_of(model.backbone, LENGTH))
    batch, apart = (
        lm_batch(Packer({"en": texts}, LENGTH, 1.0, 0), range(4), one, masking, 0, 1)
        for one in (how, replace(how, packing="rows"))
    )
    targets = batch["targets"]
    ours = lm_loss_sum(
        model.lm, model.backbone, targets["positions"], targets["labels"], batch["inputs"], how.packing
    )
    logits = model.lm(**apart["inputs"]).logits.flatten(0, 1)[apart["targets"]["positions"]]
    theirs = torch.nn.functional.cross_entropy(logits, apart["targets"]["labels"], reduction="sum")
    assert batch["count"] == apart["count"] > 10
    assert sorted(targets["labels"].tolist()) == sorted(apart["targets"]["labels"].tolist())
    assert abs(float(ours - theirs)) <= 1e-5 * float(theirs)


@pytest.mark.parametrize("number", NORMAL)
def test_alone_and_among_others(number, tmp_path):
    assert {"multiple_choice", "retrieval"} <= check_random(number, tmp_path / "model")


@pytest.mark.nightly
@pytest.mark.parametrize("number", NIGHTLY)
def test_alone_and_among_others_at_length(number, tmp_path):
    assert {"multiple_choice", "retrieval"} <= check_random(number, tmp_path / "model")


def test_every_family_is_among_the_configurations():
    assert len(NORMAL) >= 4 * len(FAMILIES) and len(NIGHTLY) >= 200


PACKING = {
    "XLM-R": "mask",
    "XLM-R-XL": "mask",
    "BERT": "mask",
    "DeBERTa-v3": "rows",
    "ModernBERT": "windows",
    "EuroBERT": "mask",
    "LLaMA": "mask",
    "Qwen3": "mask",
    "Gemma 3": "positions",
    "Mistral": "positions",
    "GPT-2": "mask",
    "XGLM": "rows",
    "BLOOM": "rows",
}


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("anew", [False, True])
def test_how_each_family_reads_packed_rows(family, anew, tmp_path):
    """Positions that begin anew within a document cannot say where one begins."""
    folder = make_model(family, tmp_path / "model", random.Random(5))
    backbone = build(folder, [], lm=False, seed=0).backbone
    wanted = "rows" if anew and PACKING[family] == "positions" else PACKING[family]
    state = torch.random.get_rng_state()
    assert packing_of(backbone, LENGTH, anew) == wanted
    assert torch.equal(state, torch.random.get_rng_state())
    assert np.array_equal(
        [p.requires_grad for p in backbone.parameters()], [True] * len([*backbone.parameters()])
    )


@pytest.mark.parametrize("length", range(8, 20))
def test_a_document_that_fills_a_row_is_read_through_its_window(length, tmp_path):
    folder = make_model("Mistral", tmp_path / "model", random.Random(5))
    backbone = build(folder, [], lm=False, seed=0).backbone
    ids = torch.randint(
        5, backbone.config.vocab_size, (1, length), generator=torch.Generator().manual_seed(1)
    )
    packed = {"input_ids": ids, "position_ids": torch.arange(length)[None], "document": torch.ones_like(ids)}
    with torch.no_grad():
        alone = backbone(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state
        inputs = masked_inputs(packed, backbone, packing_of(backbone, length))
        same(alone[0], backbone(**inputs).last_hidden_state[0])


ENCODERS = (
    "albert", "bert", "big_bird", "camembert", "data2vec-text", "deberta", "deberta-v2", "distilbert",
    "electra", "ernie", "eurobert", "flaubert", "ibert", "luke", "longformer", "megatron-bert", 
    "modernbert", "mpnet", "rembert", "roberta", "roberta-prelayernorm", "roc_bert", "roformer",
    "squeezebert", "xlm", "xlm-roberta", "xlm-roberta-xl", "xlnet", "bert-generation",
)  # fmt: skip
DECODERS = (
    "biogpt", "bloom", "cohere", "cohere2", "ctrl", "falcon", "gemma", "gemma2", "glm", "gpt2", "gpt_bigcode",
    "gpt_neo", "gpt_neox", "gptj", "granite", "helium", "llama", "mistral", "mixtral", "mpt", "olmo",
    "olmo2", "openai-gpt", "opt", "persimmon", "phi", "phi3", "qwen2", "qwen3", "smollm3", "stablelm",
    "starcoder2", "xglm",
)  # fmt: skip
SIZES = {
    "vocab_size": 200, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2,
    "intermediate_size": 48, "max_position_embeddings": 64, "initializer_range": 0.3, "head_dim": 16,
    "num_key_value_heads": 2, "ffn_dim": 32, "word_embed_proj_dim": 32, "embedding_size": 32,
    "rotary_dim": 8, "attention_window": [4, 4], "pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2,
}  # fmt: skip


def small(name: str) -> Any:
    """A small random backbone of an architecture, by the names that its configuration has for sizes."""
    from transformers import AutoConfig, AutoModel

    config = AutoConfig.for_model(name, architectures=[])
    for key, value in SIZES.items():
        if getattr(config, key, None) is not None:
            with suppress(AttributeError, NotImplementedError):  # some follow from others
                setattr(config, key, value)
    if getattr(config, "layer_types", None):
        config.layer_types = config.layer_types[:2]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = AutoModel.from_config(config).eval().float()
    with torch.no_grad():  # of zeros, as it begins, it would hide that padding is read
        model.get_input_embeddings().weight[1].normal_(0.0, 0.3, generator=torch.Generator().manual_seed(1))
    return model


def padding_changes(model: Any) -> float:
    """How much nine tokens of padding change the states of a text, relative to them."""
    ids = torch.randint(5, 200, (1, 7), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        alone = model(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state[0]
        wide = torch.nn.functional.pad(ids, (0, 9), value=1)
        mask = (torch.arange(16) < 7).long()[None]
        among = model(input_ids=wide, attention_mask=mask).last_hidden_state[0]
    return float((alone - among[:7]).abs().max() / alone.abs().max())


def sees_what_follows(model: Any) -> bool:
    """Whether another last token changes the states of those before it."""
    ids = torch.randint(5, 200, (1, 9), generator=torch.Generator().manual_seed(0))
    other = ids.clone()
    other[0, -1] = 3
    with torch.no_grad():
        one, two = (model(input_ids=tokens).last_hidden_state[0, :-1] for tokens in (ids, other))
    return float((one - two).abs().max()) > CLOSE


@pytest.mark.parametrize("name", [*ENCODERS, *DECODERS])
def test_other_architectures_that_are_accepted(name):
    """Padding changes nothing, and what does not see what follows is known as a decoder."""
    model = small(name)
    assert padding_changes(model) < CLOSE
    assert is_decoder(model.config) == (name in DECODERS) == (not sees_what_follows(model))


@pytest.mark.parametrize("name", [name for name in UNREADABLE if name != "xmod"])
def test_architectures_that_are_refused_answer_by_other_things_than_the_text(name, tmp_path):
    model = small(name)
    assert padding_changes(model) > 0.1 or not sees_what_follows(model)
    model.save_pretrained(tmp_path)
    with pytest.raises(XferError, match=UNREADABLE[name]):
        load_config(tmp_path)
