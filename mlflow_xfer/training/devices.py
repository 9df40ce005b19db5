"""Where tensors are computed, and how precisely."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping

import torch
from torch import Tensor

from mlflow_xfer.errors import XferError


def pick(device: str = "auto") -> torch.device:
    """``auto``: the first GPU, else the CPU."""
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if device == "cuda" and not torch.cuda.is_available():
        raise XferError("device=cuda, but torch sees no GPU.", "Use device=auto or device=cpu.")
    return torch.device(device)


def resolved(precision: str, device: torch.device) -> str:
    """``auto``: bf16 on a GPU that has it, else fp32. Half precision on the CPU is refused: it is slower there."""
    if precision == "auto":
        return "bf16" if device.type == "cuda" and torch.cuda.is_bf16_supported() else "fp32"
    if precision == "fp16" and device.type == "cpu":
        raise XferError("precision=fp16 needs a GPU.", "On the CPU use precision=auto, fp32 or bf16.")
    return precision


def autocast(device: torch.device, precision: str) -> contextlib.AbstractContextManager:
    """The context in which a model predicts."""
    kind = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(resolved(precision, device))
    return torch.autocast(device.type, dtype=kind) if kind else contextlib.nullcontext()


def to_device(tensors: Mapping[str, Tensor], device: torch.device) -> dict[str, Tensor]:
    """``tensors`` on ``device``; from pinned memory, so that copying overlaps computing."""
    if device.type == "cpu":
        return dict(tensors)
    return {name: tensor.pin_memory().to(device, non_blocking=True) for name, tensor in tensors.items()}
