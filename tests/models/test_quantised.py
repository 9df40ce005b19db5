"""Quantised checkpoints are refused by their configuration or tensors, before they are loaded."""

from __future__ import annotations

import json
import random
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from mlflow_xfer.errors import XferError
from mlflow_xfer.models import files, quantised
from mlflow_xfer.models.load import check_weights, load_backbone
from tests.families import make_model


@pytest.fixture(scope="module")
def llama(tmp_path_factory):
    return make_model("LLaMA", tmp_path_factory.mktemp("llama") / "model", random.Random(2))


@pytest.fixture
def folder(llama, tmp_path):
    return shutil.copytree(llama, tmp_path / "model")


def refused(folder, said: str) -> None:
    for read in (check_weights, load_backbone):
        with pytest.raises(XferError, match=rf"holds quantised weights \({said}"):
            read(folder)


@pytest.mark.parametrize("kind", [torch.int8, torch.uint8, torch.float8_e4m3fn, torch.float8_e5m2])
def test_tensors_of_a_byte_or_whole_numbers_are_refused_by_name(folder, kind):
    saved = load_file(folder / files.WEIGHTS)
    small = {k: v.to(kind) if k.endswith("proj.weight") else v for k, v in saved.items()}
    save_file(small, folder / files.WEIGHTS, metadata={"format": "pt"})
    refused(folder, r"model\.layers\.0\.\S+_proj\.weight is [UIF]8")


@pytest.mark.parametrize(
    ("about", "said"),
    [
        ({"quant_method": "bitsandbytes", "load_in_8bit": True}, "bitsandbytes"),
        ({"quant_method": "nonsense"}, "nonsense"),
        ({"bits": 4}, "unknown"),
    ],
)
def test_a_configuration_that_says_so_is_believed(folder, about, said):
    """Also where the tensors are plain numbers."""
    file = folder / files.CONFIG
    about = {"quantization_config": about}
    config = json.loads(file.read_text())
    file.write_text(json.dumps(config | about))
    refused(folder, said)
    file.write_text(json.dumps(config | {"text_config": about}))
    with pytest.raises(XferError, match=rf"quantised weights \({said}"):
        quantised.check(folder)


def test_whole_numbers_that_are_no_weights_say_nothing(folder):
    """Positions and masks, which earlier versions of transformers saved."""
    saved = load_file(folder / files.WEIGHTS)
    more = {"model.position_ids": torch.arange(8), "model.attn.bias": torch.ones(4, 4, dtype=torch.uint8)}
    save_file(saved | more, folder / files.WEIGHTS, metadata={"format": "pt"})
    (folder / files.CONFIG).write_text(
        json.dumps(json.loads((folder / files.CONFIG).read_text()) | {"quantization_config": None})
    )
    check_weights(folder)
