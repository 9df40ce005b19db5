"""Whether a checkpoint's weights are whole numbers or 8 bits and less, which stand for others."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlflow_xfer.errors import XferError
from mlflow_xfer.models import files

WHOLE = ("I", "U")
"""How the types of whole numbers begin in the heads of safetensors files."""

SMALL = ("F8", "F6", "F4")
"""How those of floating-point numbers of 8 bits and less begin."""

OF_WEIGHTS = ("weight", "_proj")
"""Endings of names of weights; whole numbers under other names are positions and masks."""


def check(folder: Path) -> None:
    """Raise :class:`XferError` for a checkpoint whose configuration or tensors say that it is quantised; no
    tensor is read."""
    raw = files.read_config(folder)
    text = raw.get("text_config")
    said = raw.get("quantization_config") or (
        text.get("quantization_config") if isinstance(text, Mapping) else None
    )
    if said:
        how = said.get("quant_method", "unknown") if isinstance(said, Mapping) else said
        raise _refusal(
            folder,
            how,
            " If its weights are plain numbers, take quantization_config out of its config.json.",
        )
    for name, kind in files.types(folder).items():
        if kind.startswith(SMALL) or (kind.startswith(WHOLE) and name.endswith(OF_WEIGHTS)):
            raise _refusal(folder, f"{name} is {kind}")


def _refusal(folder: Path, how: Any, more: str = "") -> XferError:
    return XferError(
        f"{folder} holds quantised weights ({how}), which are not trained on or read.",
        "Take the checkpoint that they were made from; trainable=lora quantize=nf4 holds it in 4 bits."
        + more,
    )
