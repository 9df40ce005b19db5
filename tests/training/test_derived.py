"""Checkpoints without the weights that follow from their base, made whole again to the bit."""

from __future__ import annotations

import shutil

import pytest
from partly_trained import ABOUT, round_trip, trained
from tiny_world import POS, SENTIMENT, rows

from mlflow_xfer.errors import XferError
from mlflow_xfer.models import derived
from mlflow_xfer.models.load import load_backbone
from mlflow_xfer.training.parts import Part


def size(folder):
    return sum(path.stat().st_size for path in folder.rglob("*.safetensors"))


@pytest.mark.parametrize("how", ["lora", "head", "norms"])
def test_what_is_left_out_comes_back_to_the_bit(any_model, tmp_path, how):
    whole = trained(any_model, tmp_path / "a", trainable=how, max_steps=2).directory
    reduced = round_trip(whole, any_model, tmp_path / "b")
    with pytest.raises(XferError, match="their other weights are those of a base"):
        load_backbone(reduced)
    of_adapter = size(reduced / "adapter") if how == "lora" else 0
    assert size(reduced) - of_adapter < 0.2 * (size(whole) - of_adapter)


def test_several_heads_and_an_adapter_that_goes_on(any_model, tmp_path):
    parts = [Part(task, rows(task, "en", 60), {}) for task in (SENTIMENT, POS)]
    one = trained(any_model, tmp_path / "one", parts=parts, trainable="lora", max_steps=4).directory
    round_trip(one, any_model, tmp_path / "a")
    two = trained(
        one, tmp_path / "two", trainable="lora", start_adapter="continue", max_steps=2
    ).directory  # fmt: skip
    round_trip(two, one, tmp_path / "b", continued=True)


def test_another_base_is_refused(encoder, tmp_path):
    whole = trained(encoder, tmp_path / "a", trainable="lora", max_steps=1).directory
    reduced, base = tmp_path / "reduced", tmp_path / "base"
    derived.reduce(whole, encoder, reduced, ABOUT, False, False)
    shutil.copytree(encoder, base)
    (base / "model.safetensors").write_bytes(b"others")
    with pytest.raises(
        XferError, match=r"another one than the adapter was trained on: model\.safetensors has"
    ):
        derived.restore(reduced, base, tmp_path / "again")
    (base / "model.safetensors").unlink()
    with pytest.raises(XferError, match=r"model\.safetensors is not there.\n.*a base \(dir:of a test\)"):
        derived.restore(reduced, base, tmp_path / "again")
