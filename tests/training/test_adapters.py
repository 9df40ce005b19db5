"""Trainings of a part of the weights: what changes is what was said, adapters are what they were."""

from __future__ import annotations

import json
import random
import sys

import pytest
import torch
from partly_trained import STILL, adapted, changed, states, trained
from safetensors.torch import load_file
from tiny_world import POS, SENTIMENT, rows, texts
from transformers import AutoConfig, AutoTokenizer

from mlflow_xfer.errors import XferError
from mlflow_xfer.models.load import load_backbone, save
from mlflow_xfer.models.scratch import random_lm
from mlflow_xfer.training.parts import LanguageModelPart, Part
from mlflow_xfer.training.predict import predict
from tests.families import make_model


@pytest.mark.parametrize("how", ["head", "norms", "no-embeddings", "lora"])
def test_what_is_trained_is_what_was_said(any_model, tmp_path, how):
    of_backbone = changed(any_model, trained(any_model, tmp_path, max_steps=2, trainable=how).directory)
    names = {name for name, _ in load_backbone(any_model).named_parameters() if "pooler" not in name}
    tokens = {name for name in names if "word_embeddings" in name or "embed_tokens" in name}
    norms = {name for name in names if "norm" in name.lower()}
    linear = {name for name in names - norms if name.endswith(".weight") and "embed" not in name}
    assert len(tokens) == 1 and norms and linear
    if how == "no-embeddings":  # of the others some may get no gradient: keys of attention have no bias's
        assert linear | norms <= of_backbone | {n for n in norms if n.endswith("bias")}
        assert not of_backbone & tokens
    else:
        assert of_backbone == {"head": set(), "norms": norms, "lora": linear}[how]


@pytest.mark.parametrize("how", ["head", "norms", "lora"])
def test_a_pooler_is_trained_with_the_head_that_reads_it(tmp_path, how):
    bert = make_model("BERT", tmp_path / "bert", random.Random(0))
    of_backbone = changed(bert, trained(bert, tmp_path / "work", max_steps=2, trainable=how).directory)
    assert {name for name in of_backbone if "pooler" in name} == {"pooler.dense.weight", "pooler.dense.bias"}


@pytest.mark.parametrize("task", [SENTIMENT, POS], ids=["classification", "tagging"])
def test_lora_learns_and_its_merge_is_the_adapter_on_its_base(any_model, tmp_path, task):
    result = trained(any_model, tmp_path, task, trainable="lora", max_steps=80)
    assert result.metrics[f"dev/{task.name}/en"] > 90
    folder = result.directory / "adapter"
    assert all(".lora_" in name for name in load_file(folder / "adapter_model.safetensors"))
    assert json.loads((folder / "base.json").read_text()) == {"identity": "of a test"}
    merged = states(load_backbone(result.directory))
    assert (merged - states(load_backbone(any_model))).abs().max() > 1e-2
    torch.testing.assert_close(merged, states(adapted(any_model, result.directory)), atol=1e-5, rtol=1e-5)


def deepened(start, folder):
    """The model at ``start`` with as many layers as those have that people use."""
    config = AutoConfig.from_pretrained(start)
    config.num_hidden_layers = 5
    return save(random_lm(config, 0), AutoTokenizer.from_pretrained(start), folder)


def test_a_model_of_many_layers_is_adapted_in_all_of_them(any_model, tmp_path):
    deep = deepened(any_model, tmp_path / "deep")
    one = trained(deep, tmp_path / "one", trainable="lora", max_steps=2).directory
    about = json.loads((one / "adapter" / "adapter_config.json").read_text())
    linear = {name.removesuffix(".weight") for name in changed(deep, one)}
    assert set(about["target_modules"]) == linear and len(linear) >= 30
    torch.testing.assert_close(states(load_backbone(one)), states(adapted(deep, one)), atol=1e-5, rtol=1e-5)
    two = trained(one, tmp_path / "two", trainable="lora", start_adapter="continue", max_steps=2).directory
    assert changed(one, two) == {f"{name}.weight" for name in linear}


def test_an_adapter_is_gone_on_with(any_model, tmp_path):
    one = trained(any_model, tmp_path / "one", trainable="lora", max_steps=10).directory
    two = trained(
        one,
        tmp_path / "two",
        POS,
        trainable="lora",
        start_adapter="continue",
        learning_rate=STILL,
        max_steps=1,
    ).directory
    first, second = (load_file(path / "adapter" / "adapter_model.safetensors") for path in (one, two))
    assert first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)
    torch.testing.assert_close(states(load_backbone(one)), states(load_backbone(two)), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(
        states(adapted(any_model, two)), states(load_backbone(two)), atol=1e-5, rtol=1e-5
    )
    new = trained(one, tmp_path / "new", trainable="lora", max_steps=1).directory
    assert not torch.equal(
        next(iter(first.values())),
        next(iter(load_file(new / "adapter" / "adapter_model.safetensors").values())),
    )
    with pytest.raises(XferError, match="lora_rank 4, not 8"):
        trained(one, tmp_path / "three", trainable="lora", start_adapter="continue", lora_rank=8)
    with pytest.raises(XferError, match="beside other layers"):
        trained(one, tmp_path / "four", trainable="lora", start_adapter="continue", lora_layers="attention")


def test_a_language_model_keeps_its_head(any_model, tmp_path):
    from mlflow_xfer.models.load import load_lm

    lm = LanguageModelPart({"en": texts("en", 80)}, {"en": texts("en", 20, 1)})
    result = trained(any_model, tmp_path, parts=[lm], trainable="lora", max_steps=40)
    before, after = (load_lm(path).state_dict() for path in (any_model, result.directory))
    head = {name for name in before if name.startswith("lm_head")}
    assert head and all(torch.equal(before[name], after[name]) for name in head)
    assert changed(any_model, result.directory)


def test_a_head_over_all_layers_is_loaded_as_it_was_published(any_model, tmp_path):
    from mlflow_xfer.kinds import kind

    result = trained(any_model, tmp_path, POS, trainable="head", head_reads="layers")
    head = load_file(result.directory / "heads" / POS.name / "model.safetensors")
    (layers,) = (tensor for name, tensor in head.items() if name.endswith(".layer"))
    assert layers.shape == (3,) and (layers != 0).all()
    assert not changed(any_model, result.directory)
    dev = rows(POS, "en", 60, 1)
    found = predict(result.directory, POS, {"en": dev}, max_seq_length=64)["en"]
    score = kind.model("tagging").dev_score(POS, found, dev["tags"][:])
    assert score == pytest.approx(result.metrics["dev/pos/en"]) and score > 60


@pytest.mark.parametrize("select_by", ["last", "average", "english_dev"])
def test_checkpoints_are_selected_as_ever(encoder, tmp_path, select_by):
    result = trained(encoder, tmp_path, trainable="lora", select_by=select_by, evaluations=3)
    merged = states(load_backbone(result.directory))
    torch.testing.assert_close(merged, states(adapted(encoder, result.directory)), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("select_by", ["label_free", "oracle"])
def test_checkpoints_are_selected_for_other_languages(encoder, tmp_path, select_by):
    german = rows(SENTIMENT, "de", 40, 1)
    part = Part(SENTIMENT, rows(SENTIMENT, "en", 160), {"en": rows(SENTIMENT, "en", 20, 1)}, {"de": german})
    result = trained(
        encoder, tmp_path, parts=[part], trainable="lora", select_by=select_by, evaluations=5,
        learning_rate=0.03,
    )  # fmt: skip
    merged = states(load_backbone(result.directory))
    torch.testing.assert_close(merged, states(adapted(encoder, result.directory)), atol=1e-5, rtol=1e-5)
    if select_by == "oracle":  # of the merged checkpoint as of the model that was selected
        found = predict(result.directory, SENTIMENT, {"de": german}, max_seq_length=64)["de"]
        right = sum(a == b for a, b in zip(found, german["label"], strict=True)) / 0.4
        assert right == pytest.approx(result.metrics["oracle/sentiment/de"])
    assert 0 <= result.metrics[f"{select_by}/sentiment/de"] <= 100


def test_what_cannot_be_is_refused_before_a_step(encoder, tmp_path, monkeypatch):
    with pytest.raises(XferError, match="quantize=nf4 freezes weights that trainable=all would train"):
        trained(encoder, tmp_path, quantize="nf4")
    with pytest.raises(XferError, match="has no adapter"):
        trained(encoder, tmp_path, trainable="lora", start_adapter="continue")
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(XferError, match="trainable=lora needs peft, which is not installed"):
        trained(encoder, tmp_path, trainable="lora")
