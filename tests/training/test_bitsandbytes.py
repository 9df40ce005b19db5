"""Layers of 4 bits and optimisers of 8: what needs bitsandbytes, two seconds to import for every process."""

from __future__ import annotations

import logging

import pytest
import torch
from partly_trained import STILL, adapted, changed, round_trip, states, trained

from mlflow_xfer.errors import TRY_AGAIN
from mlflow_xfer.models.load import load_backbone, load_tokenizer, save
from mlflow_xfer.models.scratch import build_scratch

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wide(encoder, tmp_path_factory):
    """An encoder whose matrices are large enough for 8 bits."""
    tokenizer = load_tokenizer(encoder)
    return save(
        build_scratch("xlm-roberta", "mini", tokenizer, 0), tokenizer, tmp_path_factory.mktemp("wide")
    )


def test_layers_of_4_bits_learn_and_are_published_as_they_compute(any_model, tmp_path):
    result = trained(any_model, tmp_path / "a", trainable="lora", quantize="nf4", max_steps=80)
    assert result.metrics["dev/sentiment/en"] > 90
    still = trained(
        any_model, tmp_path / "b", trainable="lora", quantize="nf4", learning_rate=STILL, max_steps=1
    )
    merged = states(load_backbone(result.directory))
    torch.testing.assert_close(
        merged, states(adapted(still.directory, result.directory)), atol=1e-5, rtol=1e-5
    )
    coarse = changed(any_model, still.directory)
    assert coarse and all("embed" not in name for name in coarse)


@pytest.mark.parametrize("optimizer", ["adamw8bit", "paged_adamw8bit"])
def test_an_optimiser_of_8_bits_trains_and_goes_on_where_it_stopped(wide, tmp_path, caplog, optimizer):
    class Enough(Exception):
        exit_code = TRY_AGAIN

    def weights(name, **changes):
        made = trained(wide, tmp_path / name, max_steps=6, select_by="last", **changes).directory
        return load_backbone(made).state_dict()

    def stop(metrics, step):
        if step == 3:
            raise Enough

    with caplog.at_level(logging.DEBUG, "mlflow_xfer"):
        whole = weights("whole", optimizer=optimizer)
    assert f"optimizer={optimizer} decays weights in a way of its own" in caplog.text
    with pytest.raises(Enough):
        weights("parts", log=stop, optimizer=optimizer)
    (state,) = (tmp_path / "parts" / "resume").glob("step-3/optimizer.pt")
    assert "torch.uint8" in str(torch.load(state, weights_only=True)["state"])
    parts = weights("parts", optimizer=optimizer)
    assert all(torch.equal(whole[name], parts[name]) for name in whole)
    full = weights("full")
    before = load_backbone(wide).state_dict()
    moved = sum(float((whole[n] - before[n]).norm()) for n in whole)
    apart = sum(float((whole[n] - full[n]).norm()) for n in whole)
    assert 0 < apart < 0.5 * moved


def test_what_is_left_out_of_layers_of_4_bits_comes_back_to_the_bit(any_model, tmp_path):
    whole = trained(any_model, tmp_path / "a", trainable="lora", quantize="nf4", max_steps=2).directory
    round_trip(whole, any_model, tmp_path / "b", small=True)
