"""What a model cannot read is fitted or refused by the plan, before anything runs."""

from __future__ import annotations

import random

import pytest

from mlflow_xfer import params
from mlflow_xfer.errors import XferError
from mlflow_xfer.phases.plan import make_plan
from mlflow_xfer.phases.references import References
from mlflow_xfer.phases.validation import validate
from tests.families import FAMILIES, make_model, make_tokenizer


def no_store():
    raise AssertionError("nothing here needs the store")


def planned(verb="transfer", **typed):
    return make_plan(verb, params.parse(verb, typed), References(no_store))


@pytest.fixture
def short(tmp_path):
    """A BERT that reads 40 tokens."""
    return str(make_model("BERT", tmp_path / "short", random.Random(0), positions=40))


def test_lengths_that_nobody_asked_for_are_cut_to_what_the_model_reads(short):
    plan = planned(model=short, intermediate="nli", target="pos,retrieval", text="mini")
    assert {phase.kind: phase.settings.max_seq_length for phase in plan.phases} == {
        "pretrain": 40,
        "intermediate": 40,
        "target": 40,
        "evaluate": 40,
    }
    validate(plan.phases)


@pytest.mark.parametrize("phase", ["pretrain", "intermediate", "target"])
def test_a_length_that_was_asked_for_is_refused_at_once(short, phase):
    typed = {"model": short, "intermediate": "nli", "target": "pos", "text": "mini"}
    with pytest.raises(XferError, match="max_seq_length=41, but the model reads at most 40 tokens"):
        planned(**typed, **{f"{phase}.max_seq_length": "41"})
    planned(**typed, **{f"{phase}.max_seq_length": "40"})


def test_models_that_read_enough_keep_the_recipes_lengths():
    plan = planned(intermediate="nli", target="pos")
    assert {phase.settings.max_seq_length for phase in plan.phases} == {64}


def test_a_length_without_room_is_refused_by_the_plan(short):
    with pytest.raises(XferError, match="max_seq_length=7 leaves no room"):
        planned("target", model=short, target="pos", max_seq_length="7")
    planned("target", model=short, target="pos", max_seq_length="8")


def test_special_tokens_that_leave_no_room_for_two_texts(short):
    from tokenizers import processors

    tokenizer = make_tokenizer("bert")
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] [CLS] [CLS] $A [SEP] [SEP] [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    tokenizer.save_pretrained(short)
    with pytest.raises(XferError, match="no room for two texts beside 7 special tokens"):
        validate(planned("intermediate", model=short, intermediate="nli", max_seq_length="8").phases)
    validate(planned("intermediate", model=short, intermediate="nli", max_seq_length="9").phases)


def test_tokens_without_embedding_are_refused_before_anything_is_trained(short):
    tokenizer = make_tokenizer("bert")
    tokenizer.add_tokens(["@user"])
    tokenizer.save_pretrained(short)
    with pytest.raises(XferError, match="none for @user"):
        validate(planned(model=short, intermediate="nli", target="pos").phases)


def test_kinds_without_a_head_are_refused_before_the_first_training(tmp_path):
    model = str(make_model("XGLM", tmp_path / "model", random.Random(0)))
    with pytest.raises(XferError) as refused:
        validate(planned(model=model, intermediate="nli", target="pos,qa").phases)
    assert all(f"no {kind} head" in str(refused.value) for kind in ("classification", "tagging", "span_qa"))
    validate(planned("target", model=model, target="choice").phases)


def test_raw_text_needs_a_token_for_masks(tmp_path):
    model = make_model("BERT", tmp_path / "model", random.Random(0))
    plan = planned("pretrain", model=str(model), text="mini")
    validate(plan.phases)
    make_tokenizer("bert", mask_token=None).save_pretrained(model)
    with pytest.raises(XferError, match="needs a tokenizer with a mask token"):
        validate(planned("pretrain", model=str(model), text="mini").phases)


def test_an_evaluation_needs_a_head_that_is_there(short, tmp_path):
    import json

    with pytest.raises(XferError, match="no head for task 'pos'.* it holds BertForMaskedLM"):
        validate(planned("evaluate", model=short, target="pos").phases)
    config = json.loads((tmp_path / "short" / "config.json").read_text())
    config |= {"architectures": ["BertForTokenClassification"], "id2label": {"0": "X", "1": "Y"}}
    (tmp_path / "short" / "config.json").write_text(json.dumps(config))
    with pytest.raises(XferError, match="is for labels X, Y"):
        validate(planned("evaluate", model=short, target="pos").phases)


@pytest.mark.parametrize("family", FAMILIES)
def test_models_of_every_family_pass(family, tmp_path):
    model = str(make_model(family, tmp_path / "model", random.Random(0)))
    validate(planned(model=model, intermediate="none", target="retrieval,choice", text="mini").phases)


def test_a_model_from_nothing_that_is_only_evaluated_has_a_seed_and_its_own_tokenizer(tmp_path):
    """Random weights tell equal texts, so a search among copies finds every one."""
    import mlflow_xfer

    (tmp_path / "pool.jsonl").write_text(
        "".join(
            f'{{"id": "{i}", "answer": "the {w} is old"}}\n' for i, w in enumerate(("ship", "sea", "lamp"))
        )
    )
    (tmp_path / "test.jsonl").write_text(
        "".join(
            f'{{"id": "q{i}", "asked": "the {w} is old", "right": "{i}"}}\n'
            for i, w in enumerate(("ship", "sea", "lamp"))
        )
    )
    (tmp_path / "tasks.yaml").write_text(
        "tasks:\n  lookup:\n    kind: retrieval\n"
        "    columns: {source: asked, target: answer, gold: right}\n"
        "    files: {test: {en: test.jsonl}, pool: pool.jsonl}\n"
    )
    typed = {
        "model": "scratch:xlm-roberta:tiny",
        "target": "lookup",
        "task_file": str(tmp_path / "tasks.yaml"),
    }
    found = mlflow_xfer.evaluate(**typed)
    scores = {value for name, value in found.metrics.items() if "lookup" in name and name.endswith("/en")}
    assert scores == {100.0}
    assert (
        planned("evaluate", model="scratch:xlm-roberta:tiny", target="retrieval", seed="3").phases[0].seed
        == 3
    )


def test_heads_that_read_padding_are_refused(tmp_path):
    """XLNet's own class reads the last place of a row, whose padding comes from longer texts beside it."""
    from transformers import XLNetConfig, XLNetLMHeadModel

    tokenizer = make_tokenizer("roberta")
    sizes = {"d_model": 16, "n_layer": 1, "n_head": 2, "d_inner": 16}
    config = XLNetConfig(vocab_size=len(tokenizer), pad_token_id=tokenizer.pad_token_id, **sizes)
    for model in (tokenizer, XLNetLMHeadModel(config)):
        model.save_pretrained(tmp_path)
    with pytest.raises(XferError) as refused:
        validate(planned(model=str(tmp_path), intermediate="nli", target="pos,choice").phases)
    for head in ("SequenceClassification", "MultipleChoice"):
        assert f"XLNetFor{head} reads the last place" in str(refused.value)
    validate(planned("target", model=str(tmp_path), target="holds", pooling="last").phases)


def test_quantised_weights_are_refused_by_their_form(short):
    import json
    from pathlib import Path

    file = Path(short) / "config.json"
    about = json.loads(file.read_text()) | {"quantization_config": {"quant_method": "gptq", "bits": 4}}
    file.write_text(json.dumps(about))
    with pytest.raises(XferError, match=r"quantised weights \(gptq\)"):
        validate(planned("target", model=short, target="pos").phases)


def test_no_random_encoder_of_an_encoder_decoder(tmp_path):
    from tests.zoo import publish

    model = str(publish("mT5's encoder", tmp_path / "model"))
    typed = {"model": model, "intermediate": "none", "target": "pos"}
    validate(planned(**typed).phases)
    with pytest.raises(XferError, match="no random encoder of mt5"):
        validate(planned(**typed, control="random").phases)


@pytest.mark.parametrize("asked", [{}, {"max_seq_length": "4"}, {"max_seq_length": "8"}])
def test_a_model_without_room_is_told_of_once(asked, tmp_path):
    model = str(make_model("BERT", tmp_path / "model", random.Random(0), positions=4))
    with pytest.raises(XferError) as refused:
        planned("target", model=model, target="pos", **asked)
    assert str(refused.value).startswith("The model reads at most 4 tokens: no room for a text.")
    assert "max_seq_length" not in str(refused.value)
