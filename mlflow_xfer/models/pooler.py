"""The pooler of BERT and its like, where a training does not read it.

transformers leaves it out of models for tagging, questions and raw text, and draws a new one for the next
head that reads it: what was trained before would differ from a baseline in more than its training.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from torch import Tensor

from mlflow_xfer.durable.files import write_json
from mlflow_xfer.models import files
from mlflow_xfer.models.load import load_config, quiet

SHARD = "model-pooler.safetensors"


def keep(start: Path, out: Path) -> None:
    """Put the pooler of the checkpoint ``start`` into ``out``, which was trained on it, if ``out`` has none
    and transformers' heads on such a model read one."""
    found = tensors(start)
    if not found or tensors(out) or not read_by_heads(config := load_config(out)):
        return
    from safetensors.torch import load_file, save_file
    from transformers import AutoModel

    backbone: Any = AutoModel._model_mapping[type(config)]
    prefix = backbone.base_model_prefix + "."
    held = any(name.startswith(prefix) for name in files.names(out))
    named = {(prefix if held else "") + name: tensor.float() for name, tensor in found.items()}
    if (whole := out / files.WEIGHTS).is_file():
        save_file(load_file(whole) | named, whole, metadata={"format": "pt"})
        return
    save_file(named, out / SHARD, metadata={"format": "pt"})
    index = json.loads((out / files.INDEX).read_text(encoding="utf-8"))
    index["weight_map"] |= dict.fromkeys(named, SHARD)
    index["metadata"]["total_size"] += sum(tensor.nbytes for tensor in named.values())
    write_json(out / files.INDEX, index)


def tensors(folder: Path) -> dict[str, Tensor]:
    """The weights of the pooler in the files of ``folder``, by their names in the model without heads."""
    from safetensors import safe_open

    found: dict[str, Tensor] = {}
    for file in files.weights(folder):
        with safe_open(file, "pt") as held:
            for name in held.keys():  # noqa: SIM118 - it is no mapping
                before, pooler, after = name.partition("pooler.")
                if pooler and before.count(".") <= 1 and (not before or before.endswith(".")):
                    found[pooler + after] = held.get_tensor(name)
    return found


def read_by_heads(config: Any) -> bool:
    """Whether transformers' classifier of texts reads the pooler of its backbone."""
    import torch
    from transformers import AutoModelForSequenceClassification

    if type(config) not in AutoModelForSequenceClassification._model_mapping:
        return False
    with quiet(), torch.device("meta"):
        model = AutoModelForSequenceClassification.from_config(config)
    return getattr(getattr(model, model.base_model_prefix, None), "pooler", None) is not None
