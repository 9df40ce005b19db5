"""Gradient checkpointing changes no bit; an optimiser of 8 bits says what it needs."""

from __future__ import annotations

import pytest
import torch
from tiny_world import SENTIMENT, rows

from mlflow_xfer.errors import XferError
from mlflow_xfer.models.load import load_backbone
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


def test_an_optimiser_without_its_package_is_refused(encoder, tmp_path, monkeypatch):
    monkeypatch.setattr("mlflow_xfer.models.trainable.find_spec", lambda name: None)
    with pytest.raises(XferError, match="optimizer=adamw8bit needs bitsandbytes, which is not installed"):
        trained(encoder, tmp_path, optimizer="adamw8bit")
