"""Heads on one backbone: shared, tied, seeded by task, published so that transformers loads them."""

from __future__ import annotations

import pytest
import torch
from transformers import AutoModel, AutoModelForSequenceClassification, AutoModelForTokenClassification

from mlflow_xfer.errors import XferError
from mlflow_xfer.models.checkpoint import load_task_model, save
from mlflow_xfer.models.heads import build, lm_loss_sum
from mlflow_xfer.models.likelihood import LikelihoodChoice
from mlflow_xfer.models.load import load_backbone, load_lm, load_tokenizer
from mlflow_xfer.tasks.task import Task

NLI = Task(
    name="nli.v2",
    kind="classification",
    metric="accuracy",
    languages=("en",),
    sources={},
    labels=("c", "e", "n"),
)
POS = Task(name="pos", kind="tagging", metric="tag_f1", languages=("en",), sources={}, labels=("X", "Y"))
MC = Task(name="mc", kind="multiple_choice", metric="accuracy", languages=("en",), sources={})
QA = Task(name="qa", kind="span_qa", metric="squad", languages=("en",), sources={})


def equal(one, other):
    return set(one) == set(other) and all(torch.equal(one[k], other[k]) for k in one)


def inputs(model_dir, texts=("the quick fox", "a dog")):
    return load_tokenizer(model_dir)(list(texts), padding=True, return_tensors="pt")


def test_all_heads_share_the_backbone_and_the_decoder_stays_tied(any_model):
    model = build(any_model, [NLI, POS, MC, QA], lm=True, seed=0)
    embeddings = model.backbone.get_input_embeddings().weight
    for name in ("nli.v2", "pos", "mc", "qa"):
        assert any(p is embeddings for p in model.head(name).parameters())
    assert model.lm.get_output_embeddings().weight is embeddings
    assert sum(t.data_ptr() == embeddings.data_ptr() for t in model.tensors().values()) == 1


def test_a_heads_first_weights_do_not_depend_on_the_tasks_beside_it(any_model):
    alone, among, other = (
        build(any_model, [POS], False, 0),
        build(any_model, [NLI, QA, POS], True, 0),
        build(any_model, [POS], False, 1),
    )
    assert equal(alone.head("pos").state_dict(), among.head("pos").state_dict())
    assert not equal(alone.head("pos").state_dict(), other.head("pos").state_dict())


def test_building_leaves_the_global_random_state(any_model):
    state = torch.random.get_rng_state()
    build(any_model, [NLI, MC], True, 0)
    assert torch.equal(state, torch.random.get_rng_state())


def test_an_lm_head_that_is_only_carried_is_not_trained(any_model):
    model = build(any_model, [NLI], lm=False, seed=0)
    shared = {id(p) for p in model.backbone.parameters()}
    own = [p for p in model.lm.parameters() if id(p) not in shared]
    assert not any(p.requires_grad for p in own) and all(p.requires_grad for p in model.backbone.parameters())


def test_one_task_is_published_as_transformers_would(any_model, tmp_path):
    model = build(any_model, [NLI], False, 0).eval()
    save(model, load_tokenizer(any_model), tmp_path / "one")
    loaded = AutoModelForSequenceClassification.from_pretrained(tmp_path / "one").eval()
    batch = inputs(any_model)
    assert torch.allclose(loaded(**batch).logits, model.head("nli.v2")(**batch).logits, atol=1e-6)
    assert loaded.config.id2label == {0: "c", 1: "e", 2: "n"}
    assert {p.suffix for p in (tmp_path / "one").rglob("*") if p.is_file()} == {".json", ".safetensors"}


def test_a_mixture_is_published_as_a_language_model_with_heads_beside(any_model, tmp_path):
    model = build(any_model, [NLI, POS, MC, QA], True, 0).eval()
    save(model, load_tokenizer(any_model), tmp_path / "mix")
    backbone = AutoModel.from_pretrained(tmp_path / "mix")
    assert torch.equal(backbone.get_input_embeddings().weight, model.backbone.get_input_embeddings().weight)
    assert load_lm(tmp_path / "mix").get_output_embeddings().weight.shape[0] == model.config.vocab_size
    batch = inputs(any_model)
    for task in (NLI, POS):
        again = load_task_model(tmp_path / "mix", task).eval()
        assert torch.allclose(again(**batch).logits, model.head(task.name)(**batch).logits, atol=1e-6)
    choices = {name: tensor.unsqueeze(0) for name, tensor in batch.items()}
    again = load_task_model(tmp_path / "mix", MC).eval()
    assert torch.allclose(again(**choices).logits, model.head("mc")(**choices).logits, atol=1e-6)


def test_a_mixture_without_language_model_is_a_backbone_with_heads(tmp_path, any_model):
    lm_free = build(any_model, [NLI], False, 0)
    lm_free.lm = None
    save(lm_free, load_tokenizer(any_model), tmp_path / "start")
    model = build(tmp_path / "start", [NLI, POS], False, 0)
    assert model.lm is None
    save(model, load_tokenizer(any_model), tmp_path / "mix")
    assert load_lm(tmp_path / "mix") is None
    assert load_task_model(tmp_path / "mix", POS) is not None


def test_language_model_heads_travel_and_task_heads_do_not(any_model, tmp_path):
    first = build(any_model, [NLI], False, 0)
    with torch.no_grad():
        for head in (first.head("nli.v2"), first.lm):
            for p in head.parameters():
                p.add_(0.5)
    save(first, load_tokenizer(any_model), tmp_path / "one")
    second = build(tmp_path / "one", [NLI], True, seed=0)
    assert equal(second.backbone.state_dict(), first.backbone.state_dict())
    assert equal(second.lm.state_dict(), first.lm.state_dict())
    fresh = build(any_model, [NLI], False, 0)
    name = "classifier.out_proj.weight" if not first.decoder else "score.weight"
    assert torch.equal(second.head("nli.v2").state_dict()[name], fresh.head("nli.v2").state_dict()[name])


def test_the_loss_at_masked_positions_is_that_of_all_logits(any_model):
    lm = load_lm(any_model).eval()
    backbone = getattr(lm, lm.base_model_prefix)
    batch = inputs(any_model)
    positions = torch.tensor([1, 2, batch["input_ids"].shape[1] + 1])
    labels = batch["input_ids"].flatten()[positions]
    wanted = torch.nn.functional.cross_entropy(
        lm(**batch).logits.flatten(0, 1)[positions], labels, reduction="sum"
    )
    assert torch.allclose(lm_loss_sum(lm, backbone, positions, labels, batch), wanted, atol=1e-4)


@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("Gemma2", {"final_logit_softcapping": 0.5, "head_dim": 8}),
        ("Granite", {"logits_scaling": 4.0}),
        ("Cohere", {"logit_scale": 0.25}),
        ("HyperCLOVAX", {"logits_scaling": 4.0, "head_dim": 8}),
        ("ModernBertDecoder", {}),
        ("Llama", {}),
    ],
)
def test_the_loss_is_that_of_logits_as_the_architecture_scales_them(name, more):
    import transformers

    from mlflow_xfer.models.scratch import random_lm

    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 24}
    config = getattr(transformers, f"{name}Config")(
        vocab_size=50, num_key_value_heads=2, max_position_embeddings=32, initializer_range=0.5,
        pad_token_id=0, bos_token_id=1, eos_token_id=2, **sizes, **more,
    )  # fmt: skip
    lm = random_lm(config, 0).eval()
    ids = torch.arange(3, 19).reshape(2, 8)
    batch = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    positions = torch.tensor([0, 5, 9])
    labels = ids.flatten()[positions + 1]
    wanted = torch.nn.functional.cross_entropy(
        lm(**batch).logits.flatten(0, 1)[positions], labels, reduction="sum"
    )
    assert torch.allclose(lm_loss_sum(lm, lm.model, positions, labels, batch), wanted, rtol=1e-5)
    likely = LikelihoodChoice(config, lm.model, lm)
    found = likely(**{n: t[None] for n, t in batch.items()}, scored=torch.ones_like(ids)[None]).logits[0]
    every = torch.log_softmax(lm(**batch).logits[:, :-1], -1).gather(-1, ids[:, 1:, None])[..., 0]
    assert torch.allclose(found, every.mean(1), rtol=1e-5)


def test_weights_come_back_into_a_model(any_model):
    one, other = build(any_model, [NLI, POS], True, 0), build(any_model, [NLI, POS], True, 5)
    other.load_tensors(one.tensors())
    assert equal(one.tensors(), other.tensors())
    with pytest.raises(ValueError, match="other weights"):
        build(any_model, [NLI], True, 0).load_tensors(one.tensors())


def test_a_head_may_know_more_labels_than_the_task(any_model, tmp_path):
    save(build(any_model, [NLI], False, 0), load_tokenizer(any_model), tmp_path / "one")
    subset = Task(
        name="rte",
        kind="classification",
        metric="accuracy",
        languages=("en",),
        sources={},
        labels=("n", "c"),
    )
    assert load_task_model(tmp_path / "one", subset).config.id2label == {0: "c", 1: "e", 2: "n"}
    strange = Task(
        name="sst",
        kind="classification",
        metric="accuracy",
        languages=("en",),
        sources={},
        labels=("good", "bad"),
    )
    with pytest.raises(XferError, match="is for labels c, e, n"):
        load_task_model(tmp_path / "one", strange)
    with pytest.raises(XferError, match="no head for task 'pos'"):
        load_task_model(tmp_path / "one", POS)


def test_too_few_labels_and_headless_kinds_are_refused(any_model):
    with pytest.raises(XferError, match="at least two"):
        build(
            any_model,
            [
                Task(
                    name="x",
                    kind="classification",
                    metric="accuracy",
                    languages=(),
                    sources={},
                    labels=("a",),
                )
            ],
            False,
            0,
        )
    with pytest.raises(XferError, match="no head to train"):
        build(
            any_model,
            [Task(name="x", kind="language_model", metric="accuracy", languages=(), sources={})],
            False,
            0,
        )


def test_bert_with_its_pooler_trains_and_publishes(tmp_path):
    """An encoder whose classification head reads a pooler, which XLM-R's does not have."""
    from tiny_texts import TEXTS
    from transformers import BertConfig, BertForMaskedLM

    from mlflow_xfer.models.tokenizer import train_tokenizer

    tokenizer = train_tokenizer(TEXTS, 120, "xlm-roberta")
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        pad_token_id=1,
    )
    BertForMaskedLM(config).save_pretrained(tmp_path / "bert")
    tokenizer.save_pretrained(tmp_path / "bert")
    model = build(tmp_path / "bert", [NLI, POS], True, 0).eval()
    assert model.backbone.pooler is not None
    save(model, tokenizer, tmp_path / "out")
    batch = tokenizer(["the fox"], return_tensors="pt")
    again = load_task_model(tmp_path / "out", NLI).eval()
    assert again(**batch).logits.shape == (1, 3)


def test_backbones_load_without_touching_the_global_random_state(any_model):
    state = torch.random.get_rng_state()
    load_backbone(any_model)
    assert torch.equal(state, torch.random.get_rng_state())


def test_tagging_loads_with_transformers(any_model, tmp_path):
    save(build(any_model, [POS], False, 0), load_tokenizer(any_model), tmp_path / "pos")
    assert AutoModelForTokenClassification.from_pretrained(tmp_path / "pos").config.num_labels == 2


def test_albert_with_its_pooler_answers_as_it_is_published(tmp_path):
    """What stands between its pooler and its heads is no part of its language model."""
    from transformers import AlbertConfig, AlbertForMaskedLM

    from tests.families import make_tokenizer

    tokenizer = make_tokenizer("bert")
    sizes = {"hidden_size": 8, "embedding_size": 8, "num_attention_heads": 2, "intermediate_size": 8}
    config = AlbertConfig(vocab_size=len(tokenizer), pad_token_id=tokenizer.pad_token_id, **sizes)
    for part in (tokenizer, AlbertForMaskedLM(config)):
        part.save_pretrained(tmp_path / "albert")
    model = build(tmp_path / "albert", [NLI], False, 0).eval()
    save(model, tokenizer, tmp_path / "out")
    batch = tokenizer(["the ship"], return_tensors="pt")
    again = load_task_model(tmp_path / "out", NLI).eval()
    assert torch.allclose(again(**batch).logits, model.head(NLI.name)(**batch).logits, atol=1e-6)
