"""Masks of dropout on a CPU: as many zeros as asked, drawn by torch's generator; nothing else changes."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional

from mlflow_xfer.training import dropout
from mlflow_xfer.training.dropout import CheapMasks, noise


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


@pytest.mark.parametrize("p", [0.001, 0.1, 0.5, 0.9])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_as_many_are_dropped_as_asked_and_the_rest_makes_up_for_it(p, dtype):
    drawn = noise(torch.Size((7, 101, 333)), p, dtype)
    assert drawn.dtype == dtype and len(drawn.unique()) == 2
    dropped = (drawn == 0).double().mean().item()
    assert dropped == pytest.approx(p, abs=5 * (p * (1 - p) / drawn.numel()) ** 0.5 + 2**-17)
    assert drawn.max().item() == pytest.approx(1 / (1 - p), rel=0.004 if dtype == torch.bfloat16 else 0.001)


def test_elements_are_dropped_independently_of_each_other():
    """Four neighbours come from one random number."""
    dropped = (noise(torch.Size((1 << 20,)), 0.3, torch.float32) == 0).double()
    for lag in (1, 2, 3, 4, 5, 8, 64, 1024):
        together = (dropped[lag:] * dropped[:-lag]).mean().item()
        assert together == pytest.approx(0.09, abs=0.0015), lag
    position = dropped.reshape(-1, 4).mean(0)
    assert (position - 0.3).abs().max() < 0.005


def test_the_generators_state_is_all_that_a_mask_depends_on():
    state = torch.get_rng_state()
    layer, x = nn.Dropout(0.2), torch.ones(50, 30)
    with CheapMasks():
        first = layer(x)
        second = layer(x)
        torch.set_rng_state(state)
        assert torch.equal(layer(x), first)
    assert not torch.equal(first, second)


def test_dropout_takes_and_gives_what_torchs_does():
    x = torch.randn(64, 64, requires_grad=True)
    with CheapMasks():
        y = nn.Dropout(0.25)(x)
        assert torch.equal(nn.Dropout(0.25).eval()(x), x)
        assert nn.Dropout(0.0)(x).equal(x) and not nn.Dropout(1.0)(x).any()
        inside = x.detach().clone()
        assert functional.dropout(inside, 0.25, inplace=True) is inside and (inside == 0).any()
        assert nn.Dropout(0.5)(torch.empty(0, 3)).shape == (0, 3)
    y.sum().backward()
    assert x.grad is not None
    assert torch.equal(x.grad, torch.where(y == 0, 0.0, 1 / 0.75)), "the gradient has the same mask"


MASKS = {
    "none": {},
    "causal": {"is_causal": True},
    "padding": {"attn_mask": torch.tensor([True] * 5 + [False] * 2).expand(3, 1, 7, 7)},
    "a row that sees nothing": {"attn_mask": torch.ones(7, 7, dtype=torch.bool).tril(-1)},
    "added": {"attn_mask": torch.linspace(-2, 2, 49).reshape(7, 7)},
    "scaled": {"scale": 0.7},
}


@pytest.mark.parametrize("case", MASKS)
@pytest.mark.parametrize("groups", [1, 2])
def test_attention_differs_from_torchs_in_nothing_but_the_mask(case, groups, monkeypatch):
    query = torch.randn(3, 4, 7, 8, requires_grad=True)
    key, value = (torch.randn(3, 4 // groups, 7, 8, requires_grad=True) for _ in range(2))
    given = MASKS[case] | {"enable_gqa": groups > 1}
    monkeypatch.setattr(dropout, "noise", lambda shape, p, dtype: torch.ones(shape, dtype=dtype))
    with CheapMasks():
        ours = functional.scaled_dot_product_attention(query, key, value, dropout_p=0.1, **given)
    theirs = functional.scaled_dot_product_attention(query, key, value, **given)
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)
    weights = torch.randn_like(ours)
    for mine, other in zip(
        torch.autograd.grad(ours, (query, key, value), weights),
        torch.autograd.grad(theirs, (query, key, value), weights),
        strict=True,
    ):
        torch.testing.assert_close(mine, other, rtol=1e-5, atol=1e-5)


def test_attention_keeps_the_lower_precision_of_autocast(monkeypatch):
    """A softmax in float32 would take twice the memory, and its products would be copied once more."""
    kinds: list[torch.dtype] = []
    monkeypatch.setattr(
        dropout, "noise", lambda shape, p, dtype: kinds.append(dtype) or torch.ones(shape, dtype=dtype)
    )
    query, key, value = (torch.randn(2, 2, 5, 8) for _ in range(3))
    added = torch.linspace(-2, 2, 25).reshape(5, 5)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        theirs = functional.scaled_dot_product_attention(query, key, value, added)
        with CheapMasks():
            ours = functional.scaled_dot_product_attention(query, key, value, added, dropout_p=0.1)
    assert ours.dtype == theirs.dtype == torch.bfloat16 and kinds == [torch.bfloat16]
    torch.testing.assert_close(ours, theirs, rtol=0.02, atol=0.02)


def test_attention_drops_weights_and_keeps_their_mean():
    query, key, value = (torch.randn(2, 2, 5, 8) for _ in range(3))
    plain = functional.scaled_dot_product_attention(query, key, value)
    with CheapMasks():
        drawn = [
            functional.scaled_dot_product_attention(query, key, value, dropout_p=0.3) for _ in range(4000)
        ]
        assert functional.scaled_dot_product_attention(query, key, value).equal(plain)
    assert not drawn[0].equal(drawn[1])
    torch.testing.assert_close(torch.stack(drawn).mean(0), plain, atol=0.08, rtol=0)


def test_attention_of_a_model_is_reached(monkeypatch):
    """transformers calls torch's functions: each layer draws three masks, the embeddings one."""
    from transformers import XLMRobertaConfig, XLMRobertaModel

    config = XLMRobertaConfig(
        vocab_size=50, hidden_size=16, num_hidden_layers=2, num_attention_heads=4, intermediate_size=32
    )
    drawn: list[tuple[int, ...]] = []
    monkeypatch.setattr(
        dropout, "noise", lambda shape, *more: drawn.append(tuple(shape)) or noise(shape, *more)
    )
    with CheapMasks():
        XLMRobertaModel(config).train()(input_ids=torch.randint(3, 50, (3, 7)))
    assert drawn.count((3, 4, 7, 7)) == 2
    assert drawn.count((3, 7, 16)) == 2 * 2 + 1
