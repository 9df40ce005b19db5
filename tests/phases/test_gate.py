"""What is not finite is found, wherever in a checkpoint it stands."""

from __future__ import annotations

import json
import math

import pytest
import torch
from safetensors.torch import save_file

from mlflow_xfer.errors import XferError
from mlflow_xfer.models.finite import PART, not_finite
from mlflow_xfer.phases import gate
from mlflow_xfer.training.parts import NotFinite


def checkpoint(folder, **more):
    """A folder of weights in two shards, with a head in a folder of its own."""
    whole = {
        "model-1.safetensors": {"a": torch.ones(3), "ids": torch.arange(4)},
        "model-2.safetensors": {"b": torch.full((2, 2), 3e38), "half": torch.ones(2, dtype=torch.bfloat16)},
        "heads/nli/model.safetensors": {"out": torch.zeros(2, dtype=torch.float16)},
    }
    for path, tensors in whole.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        save_file(tensors | more.get(path, {}), folder / path)
    names = {"a": "model-1.safetensors", "b": "model-2.safetensors"}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": names}))
    return folder


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize(
    "file", ["model-1.safetensors", "model-2.safetensors", "heads/nli/model.safetensors"]
)
def test_one_value_in_any_file(tmp_path, file, value, dtype):
    spoilt = torch.ones(2, 3, dtype=dtype)
    spoilt[1, 2] = value
    found = list(not_finite(checkpoint(tmp_path, **{file: {"spoilt": spoilt}})))
    assert found == [f"spoilt in {file.rpartition('/')[2]}"]
    with pytest.raises(XferError, match="spoilt") as caught:
        gate.check_weights(tmp_path)
    assert caught.value.exit_code == 2


def test_one_value_at_the_end_of_a_large_tensor(tmp_path):
    spoilt = torch.ones(3, PART // 2)
    spoilt[2, -1] = math.nan
    assert list(not_finite(checkpoint(tmp_path, **{"model-2.safetensors": {"a": spoilt}})))


def test_whole_numbers_and_large_floats_are_finite(tmp_path):
    assert not list(not_finite(checkpoint(tmp_path)))


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_figures(value):
    gate.check_metrics({"dev/pos/en": 0.0, "train/loss": 1e300})
    with pytest.raises(NotFinite, match="dev/pos/en"):
        gate.check_metrics({"train/loss": 1.0, "dev/pos/en": value})
