"""Gradient checkpointing changes no bit; optimisers of 8 bits train, go on where they stopped, and say what
they cannot have."""

from __future__ import annotations

import logging

import pytest
import torch
from tiny_world import SENTIMENT, rows

from mlflow_xfer.errors import TRY_AGAIN, XferError
from mlflow_xfer.models.load import build_scratch, load_backbone, load_tokenizer, save
from mlflow_xfer.params.settings import RuntimeOptions, TrainingSettings
from mlflow_xfer.training.parts import Part
from mlflow_xfer.training.trainer import train

SETTINGS = TrainingSettings(
    max_steps=6, train_batch_size=8, max_seq_length=32, learning_rate=3e-3, select_by="last"
)


def trained(start, work, log=lambda metrics, step: None, runtime=RuntimeOptions(), **changes):  # noqa: B008
    parts = [Part(SENTIMENT, rows(SENTIMENT, "en", 80), {})]
    settings = SETTINGS.model_copy(update=changes)
    return train(start, parts, None, settings, work, log=log, runtime=runtime).directory


@pytest.fixture(scope="module")
def wide(encoder, tmp_path_factory):
    """An encoder whose matrices are large enough for 8 bits."""
    tokenizer = load_tokenizer(encoder)
    return save(
        build_scratch("xlm-roberta", "mini", tokenizer, 0), tokenizer, tmp_path_factory.mktemp("wide")
    )


def weights(path):
    return load_backbone(path).state_dict()


@pytest.mark.parametrize("how", ["all", pytest.param("lora", marks=pytest.mark.slow)])
def test_layers_that_are_computed_again_give_the_same_bits(any_model, tmp_path, how):
    plain, again = (
        weights(
            trained(
                any_model, tmp_path / str(on), runtime=RuntimeOptions(gradient_checkpointing=on),
                trainable=how, dropout=0.1,
            )
        )
        for on in (False, True)
    )  # fmt: skip
    assert all(torch.equal(plain[name], again[name]) for name in plain)


def test_a_checkpointed_layer_keeps_its_inputs_alone(any_model):
    from mlflow_xfer.training.devices import checkpoint_layers

    kept = []
    for on in (False, True):
        backbone, bytes_ = load_backbone(any_model).train(), 0

        def keep(tensor):
            nonlocal bytes_
            bytes_ += tensor.untyped_storage().nbytes()
            return tensor

        if on:
            checkpoint_layers(backbone)
        ids = torch.arange(5, 45).reshape(4, 10)
        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            backbone(input_ids=ids)
        kept.append(bytes_)
    assert kept[1] < kept[0] / 2


@pytest.mark.parametrize("optimizer", ["adamw8bit", pytest.param("paged_adamw8bit", marks=pytest.mark.slow)])
def test_an_optimiser_of_8_bits_trains_and_goes_on_where_it_stopped(wide, tmp_path, caplog, optimizer):
    pytest.importorskip("bitsandbytes")

    class Enough(Exception):
        exit_code = TRY_AGAIN

    def stop(metrics, step):
        if step == 3:
            raise Enough

    with caplog.at_level(logging.DEBUG, "mlflow_xfer"):
        whole = weights(trained(wide, tmp_path / "whole", optimizer=optimizer))
    assert f"optimizer={optimizer} decays weights in a way of its own" in caplog.text
    with pytest.raises(Enough):
        trained(wide, tmp_path / "parts", log=stop, optimizer=optimizer)
    (state,) = (tmp_path / "parts" / "resume").glob("step-3/optimizer.pt")
    assert "torch.uint8" in str(torch.load(state, weights_only=True)["state"])
    parts = weights(trained(wide, tmp_path / "parts", optimizer=optimizer))
    assert all(torch.equal(whole[name], parts[name]) for name in whole)
    full = weights(trained(wide, tmp_path / "full"))
    before = weights(wide)
    moved = sum(float((whole[n] - before[n]).norm()) for n in whole)
    apart = sum(float((whole[n] - full[n]).norm()) for n in whole)
    assert 0 < apart < 0.5 * moved


def test_an_optimiser_without_its_package_is_refused(encoder, tmp_path, monkeypatch):
    monkeypatch.setattr("mlflow_xfer.models.trainable.find_spec", lambda name: None)
    with pytest.raises(XferError, match="optimizer=adamw8bit needs bitsandbytes, which is not installed"):
        trained(encoder, tmp_path, optimizer="adamw8bit")
