"""The dual encoder: its loss against a plain statement, which negatives count, how it is published."""

from __future__ import annotations

import pytest
import torch

from mlflow_xfer.models.checkpoint import load_task_model, save
from mlflow_xfer.models.dual import TARGET, in_batch_loss_sum
from mlflow_xfer.models.heads import build
from mlflow_xfer.models.load import load_tokenizer
from mlflow_xfer.tasks.task import Task

SEARCH = Task(name="search", kind="retrieval", metric="map_at_20", languages=("en",), sources={})


def numbers(*values):
    return torch.tensor(values)


def test_the_loss_is_that_of_the_own_candidate_among_the_batchs():
    logits = torch.randn(3, 3, generator=torch.Generator().manual_seed(0))
    plain = sum(-torch.log_softmax(logits[i], -1)[i] for i in range(3))
    targets = {"query": numbers(0, 1, 2), "positive": numbers(0, 1, 2)}
    assert torch.allclose(in_batch_loss_sum(logits, targets), plain)


@pytest.mark.parametrize("equal", ["query", "positive"])
def test_a_copy_of_what_is_right_is_no_negative(equal):
    logits = torch.tensor([[1.0, 9.0, 2.0], [9.0, 1.0, 2.0], [0.0, 0.0, 1.0]])
    targets = {"query": numbers(0, 1, 2), "positive": numbers(0, 1, 2)} | {equal: numbers(0, 0, 2)}
    wanted = -2 * torch.log_softmax(torch.tensor([1.0, 2.0]), -1)[0] - torch.log_softmax(logits[2], -1)[2]
    assert torch.allclose(in_batch_loss_sum(logits, targets), wanted)


@pytest.mark.parametrize(("pooling", "resolved"), [("auto", None), ("mean", "mean")])
def test_vectors_are_unit_and_the_checkpoint_keeps_scale_and_pooling(any_model, tmp_path, pooling, resolved):
    task = SEARCH.with_options(pooling=pooling)
    model, tokenizer = build(any_model, [task], False, 0).eval(), load_tokenizer(any_model)
    head = model.head("search")
    assert head.pooling == (resolved or ("last" if model.decoder else "cls"))
    with torch.no_grad():
        head.scale.fill_(7.0)
        query, candidate = (
            tokenizer(texts, padding=True, return_tensors="pt")
            for texts in (["the fox", "a dog runs"], ["a lazy dog", "fox"])
        )
        logits = head(**query, **{TARGET + name: tensor for name, tensor in candidate.items()}).logits
        sides = [head.encode(**side) for side in (query, candidate)]
        assert torch.allclose(sides[0].norm(dim=-1), torch.ones(2)) and torch.allclose(
            logits, 7 * sides[0] @ sides[1].T, atol=1e-5
        )
        save(model, tokenizer, tmp_path / "saved")
        loaded = load_task_model(tmp_path / "saved", SEARCH).eval()
        assert loaded.pooling == head.pooling and float(loaded.scale) == 7.0
        assert torch.allclose(loaded.encode(**query), sides[0], atol=1e-6)


def test_similarities_are_float32_whatever_the_tower_computes_in(any_model):
    model, tokenizer = build(any_model, [SEARCH], False, 0).eval(), load_tokenizer(any_model)
    head, texts = model.head("search"), ["the fox", "a dog runs", "a lazy dog"]
    side = tokenizer(texts, padding=True, return_tensors="pt")
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        logits = head(**side, **{TARGET + name: tensor for name, tensor in side.items()}).logits
        vectors = head.encode(**side)
    assert torch.allclose(logits, 100 * vectors @ vectors.T, atol=1e-3)
