"""Merged weights: algebra on random tensors, TIES by hand, and checkpoints that load like any other."""

from __future__ import annotations

import json
import random
import shutil

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from test_heads import MC, NLI, POS, equal
from tiny_texts import TEXTS
from transformers import AutoModel

from mlflow_xfer.errors import XferError
from mlflow_xfer.models import merge as merging
from mlflow_xfer.models.checkpoint import save
from mlflow_xfer.models.heads import build, carries_lm_head
from mlflow_xfer.models.load import load_backbone, load_lm, load_tokenizer
from mlflow_xfer.models.load import save as save_lm
from mlflow_xfer.models.merge import METHODS, merge, merge_checkpoints
from mlflow_xfer.models.scratch import build_scratch
from mlflow_xfer.models.tokenizer import train_tokenizer
from tests.families import FAMILIES, make_model

WEIGHTS = st.lists(st.floats(-1e6, 1e6, width=32, allow_subnormal=False), min_size=6, max_size=6)


def state(values):
    return {
        "a": torch.tensor(values[:4]).reshape(2, 2),
        "b": torch.tensor(values[4:]),
        "ids": torch.arange(3),
    }


STATES = st.lists(WEIGHTS.map(state), min_size=1, max_size=5)
quick = settings(deadline=None, max_examples=40)


@quick
@given(WEIGHTS.map(state), WEIGHTS.map(state), st.integers(1, 9))
def test_merging_a_model_with_itself_is_that_model(model, base, n):
    assert equal(merge([model] * n), model)
    assert equal(merge([model], base, "task_arithmetic"), model) and equal(
        merge([model], base, "task_arithmetic", [1.0]), model
    )
    whole = merge([model] * n, base, "ties", density=1.0)
    assert all(torch.allclose(whole[k].double(), model[k].double(), rtol=1e-6, atol=1e-6) for k in model)


@quick
@given(STATES, WEIGHTS.map(state), st.randoms(use_true_random=False), st.sampled_from(METHODS))
def test_the_order_of_the_models_changes_no_bit(models, base, draw, method):
    shuffled = draw.sample(models, len(models))
    assert equal(merge(models, base, method), merge(shuffled, base, method))


@quick
@given(STATES, WEIGHTS.map(state))
def test_task_arithmetic_with_one_nth_is_the_average(models, base):
    one, other = merge(models, base, "task_arithmetic", [1 / len(models)] * len(models)), merge(models)
    assert all(torch.allclose(one[k].double(), other[k].double(), rtol=1e-6, atol=1e-6) for k in one)


def test_task_arithmetic_adds_weighted_task_vectors():
    base, first, second = (
        {"w": torch.tensor(v)} for v in ([1.0, 1.0, 1.0], [2.0, 1.0, 0.0], [1.0, 5.0, 0.0])
    )
    assert merge([first, second], base, "task_arithmetic", [0.5, 0.25])["w"].tolist() == [1.5, 2.0, 0.25]


def test_ties_by_hand():
    base = {"x": torch.tensor([1.0, 1.0, 1.0]), "y": torch.tensor([[0.0, 0.0, 2.0]])}
    vectors = [
        [4.0, -3.0, 0.1, 2.0, 0.2, 5.0],
        [2.0, 5.0, 0.2, 3.0, 0.1, -5.0],
        [0.3, -1.0, -6.0, 4.0, 0.2, 0.1],
    ]
    models = [{"x": base["x"] + torch.tensor(v[:3]), "y": base["y"] + torch.tensor([v[3:]])} for v in vectors]
    # Half of six entries are kept, over both tensors together: 4 -3 . . . 5 | . 5 . 3 . -5 | . -1 -6 4 . .
    # Elected: + + - + . and none (5 and -5 are equal); means of the entries of that sign: 4, 5, -6, 3.5, 0,
    # 0.
    made = merge(models, base, "ties", density=0.5)
    assert made["x"].tolist() == [5.0, 6.0, -5.0] and made["y"].tolist() == [[3.5, 0.0, 2.0]]
    assert merge(models, base, "ties", [0.5] * 3, density=0.5)["x"].tolist() == [3.0, 3.5, -2.0]


def test_types_and_what_is_no_weight_are_kept():
    half = {"w": torch.tensor([1.0, 2.0], dtype=torch.bfloat16), "ids": torch.arange(3)}
    made = merge([half, {"w": half["w"] + 1, "ids": torch.arange(3)}])
    assert (
        made["w"].dtype == torch.bfloat16
        and made["w"].tolist() == [1.5, 2.5]
        and made["ids"].tolist() == [0, 1, 2]
    )


def test_large_tensors_are_merged_piece_by_piece(monkeypatch):
    models = [{"w": torch.randn(7, 5)} for _ in range(3)]
    base = {"w": torch.randn(7, 5)}
    whole = [merge(models, base, method) for method in METHODS]
    monkeypatch.setattr(merging, "CHUNK", 4)
    assert all(equal(merge(models, base, method), one) for method, one in zip(METHODS, whole, strict=True))


@pytest.mark.parametrize(
    ("models", "options", "says"),
    [
        ([], {}, "Nothing to merge"),
        ([{"w": torch.ones(2)}, {"v": torch.ones(2)}], {}, "different weights: v, w"),
        ([{"w": torch.ones(2)}, {"w": torch.ones(3)}], {}, "shape of w: (2,) and (3,)"),
        ([{"w": torch.arange(2)}, {"w": torch.arange(1, 3)}], {}, "differ in w"),
        ([{"w": torch.ones(2)}], {"method": "ties"}, "began with"),
        ([{"w": torch.ones(2)}], {"method": "tie"}, "'ties'"),
        ([{"w": torch.ones(2)}], {"weights": [1, 2]}, "2 weights for 1"),
        ([{"w": torch.ones(2)}], {"density": 0.0}, "merge_density=0.0"),
    ],
)
def test_what_cannot_be_merged_is_said(models, options, says):
    with pytest.raises(XferError) as caught:
        merge(models, **options)
    assert says in str(caught.value) and caught.value.exit_code == 2


# -- checkpoints ---------------------------------------------------------------------------------------------
def trained(base, folder, tasks, shift, lm=False):
    """A published checkpoint whose weights are those of ``base`` plus noise, as training would leave it."""
    model = build(base, tasks, lm, 0)
    noise = torch.Generator().manual_seed(shift)
    with torch.no_grad():
        for tensor in model.tensors().values():
            if tensor.is_floating_point():
                tensor.add_(torch.randn(tensor.shape, generator=noise) * 0.1)
    save(model, load_tokenizer(base), folder)
    return folder


def backbones_equal(one, other):
    return equal(load_backbone(one).state_dict(), load_backbone(other).state_dict())


def bytes_of(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.mark.parametrize("method", METHODS)
def test_checkpoints_become_one_that_loads_like_any_other(any_model, tmp_path, method):
    one = trained(any_model, tmp_path / "one", [NLI], 1)
    two = trained(any_model, tmp_path / "two", [POS], 2)
    three = trained(any_model, tmp_path / "three", [MC], 3, lm=True)
    base = any_model if method != "average" else None
    out = merge_checkpoints(
        [one, two, three], base, tmp_path / "out", method=method, scratch=tmp_path / "scratch"
    )
    again = merge_checkpoints(
        [three, one, two], base, tmp_path / "again", method=method, scratch=tmp_path / "scratch"
    )
    assert bytes_of(out) == bytes_of(again), "whatever the order"
    model, parts = AutoModel.from_pretrained(out), [load_backbone(path) for path in (one, two, three)]
    name = next(n for n, p in model.named_parameters() if p.dim() == 2 and "layer" in n)
    assert not any(torch.equal(model.get_parameter(name), part.get_parameter(name)) for part in parts)
    if method == "average":
        wanted = torch.stack([part.get_parameter(name).double() for part in parts]).mean(0).float()
        assert torch.equal(model.get_parameter(name), wanted)
    lm = load_lm(out)
    assert carries_lm_head(out) and lm.get_output_embeddings().weight is lm.get_input_embeddings().weight
    assert not (out / "heads").exists() and "id2label" not in json.loads((out / "config.json").read_text())
    build(out, [NLI, MC], lm=True, seed=0)


@pytest.mark.parametrize("tasks", [[NLI], [MC], [NLI, POS]])
def test_one_checkpoint_is_itself(any_model, tmp_path, tasks):
    one = trained(any_model, tmp_path / "one", tasks, 1)
    assert backbones_equal(
        merge_checkpoints([one], None, tmp_path / "out", scratch=tmp_path / "scratch"), one
    )


def test_a_pooler_that_some_did_not_train_counts_as_it_began(encoder, tmp_path):
    choice, tags = trained(encoder, tmp_path / "mc", [MC], 1), trained(encoder, tmp_path / "pos", [POS], 2)
    out = merge_checkpoints([choice, tags], None, tmp_path / "out", scratch=tmp_path / "scratch")
    began, went = (load_backbone(path).pooler.dense.weight for path in (encoder, choice))
    assert not torch.equal(began, went)
    assert torch.equal(load_backbone(out).pooler.dense.weight, ((began.double() + went.double()) / 2).float())


def test_an_lm_head_stays_only_where_all_have_it(encoder, tmp_path):
    with_head = trained(encoder, tmp_path / "with", [POS], 1)
    without = trained(encoder, tmp_path / "without", [POS], 2)
    shutil.rmtree(without / "lm_head")
    out = merge_checkpoints([with_head, without], None, tmp_path / "out", scratch=tmp_path / "scratch")
    assert not carries_lm_head(out) and AutoModel.from_pretrained(out).config.hidden_size == 32


def test_models_that_do_not_belong_together_are_refused(encoder, tmp_path):
    alien = shutil.copytree(encoder, tmp_path / "alien")
    train_tokenizer(["other words make other pieces"] * 3, 100, "xlm-roberta").save_pretrained(alien)
    decoder = train_tokenizer(TEXTS, 200, "llama")
    llama = save_lm(build_scratch("llama", "tiny", decoder, 0), decoder, tmp_path / "llama")
    wide = shutil.copytree(encoder, tmp_path / "wide")
    config = json.loads((wide / "config.json").read_text()) | {"layer_norm_eps": 1e-3}
    (wide / "config.json").write_text(json.dumps(config))
    for folder, says in (
        (alien, "tokenizers"),
        (llama, "model_type xlm-roberta and llama"),
        (wide, "layer_norm_eps"),
    ):
        with pytest.raises(XferError) as caught:
            merge_checkpoints([encoder, folder], None, tmp_path / "out", scratch=tmp_path / "scratch")
        assert says in str(caught.value) and not (tmp_path / "out").exists()


@pytest.mark.parametrize("family", [name for name in FAMILIES if name != "XGLM"])
def test_trained_classifiers_of_every_family_can_be_merged(family, tmp_path):
    """The mean of a model with itself is that model."""
    folder = make_model(family, tmp_path / "base", random.Random(8))
    one = build(folder, [NLI], lm=False, seed=1)
    with torch.no_grad():
        for parameter in one.backbone.parameters():
            parameter.add_(0.25)
    save(one, load_tokenizer(folder), tmp_path / "one")
    merge_checkpoints([tmp_path / "one"] * 2, None, tmp_path / "two", scratch=tmp_path / "scratch")
    before, after = (load_backbone(tmp_path / name).state_dict() for name in ("one", "two"))
    assert equal(before, after) and carries_lm_head(tmp_path / "two")
