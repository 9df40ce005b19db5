"""Where tensors are computed, and how precisely."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from mlflow_xfer.errors import XferError

BF16_INSTRUCTIONS = ("avx512_bf16", "amx_bf16", "bf16")
BF16 = 1.7
"""How many times as fast bfloat16 at least trains as float32 on such processors (benchmarks/training.md)."""


def pick(device: str = "auto") -> torch.device:
    """``auto``: the first GPU, else the CPU."""
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if device == "cuda" and not torch.cuda.is_available():
        raise XferError("device=cuda, but torch sees no GPU.", "Use device=auto or device=cpu.")
    return torch.device(device)


def resolved(precision: str, device: torch.device) -> str:
    """``auto``: bf16 on a GPU that has it, else fp32, so that processors of different makes agree; fp16 on
    the CPU is refused."""
    if precision == "auto":
        return "bf16" if device.type == "cuda" and torch.cuda.is_bf16_supported() else "fp32"
    if precision == "fp16" and device.type == "cpu":
        raise XferError("precision=fp16 needs a GPU.", "On the CPU use precision=auto, fp32 or bf16.")
    return precision


def bf16_pays() -> bool:
    """Whether the processors here have instructions for bfloat16: it is ``BF16`` times as fast then."""
    abilities = torch.cpu.get_capabilities()
    return any(abilities.get(name) for name in BF16_INSTRUCTIONS)


def described() -> str:
    """What trains here by default, and whether bfloat16 pays on its processors."""
    device = pick()
    precision = resolved("auto", device)
    if device.type == "cuda":
        return f"{torch.cuda.get_device_name()}, precision=auto is {precision}"
    hint = "precision=bf16 is faster" if bf16_pays() else "these processors have no instructions for bf16"
    return f"{torch.get_num_threads()} threads, precision=auto is {precision}; {hint}"


def autocast(device: torch.device, precision: str) -> contextlib.AbstractContextManager:
    """The context in which a model predicts."""
    kind = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(resolved(precision, device))
    return torch.autocast(device.type, dtype=kind) if kind else contextlib.nullcontext()


@contextlib.contextmanager
def threads(number: int) -> Iterator[None]:
    """Compute with ``number`` threads inside. Sums may then round differently, as on another machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def to_device(tensors: Mapping[str, Tensor], device: torch.device) -> dict[str, Tensor]:
    """``tensors`` on ``device``; from pinned memory, so that copying overlaps computing."""
    if device.type == "cpu":
        return dict(tensors)
    return {name: tensor.pin_memory().to(device, non_blocking=True) for name, tensor in tensors.items()}


def leave_gpu() -> None:
    """Give back the memory of the GPU that this process keeps for later: others are to compute there now."""
    if torch.cuda.is_initialized():
        gc.collect()
        torch.cuda.empty_cache()


class HalfLayerNorm(nn.LayerNorm):
    """A layer norm that reads and writes bfloat16 (its sums stay float32 inside the kernel).

    Autocast runs layer norms in float32 and with them the whole residual stream: half of the memory traffic
    of an encoder's training step, and memory traffic is most of its time.
    """

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - nn.LayerNorm's name
        half = torch.bfloat16
        with torch.autocast(input.device.type, enabled=False):
            bias = self.bias.to(half) if self.bias is not None else None
            return nn.functional.layer_norm(
                input.to(half), self.normalized_shape, self.weight.to(half), bias, self.eps
            )


@contextlib.contextmanager
def half_norms(model: nn.Module, wanted: bool) -> Iterator[None]:
    """Within this context ``model``'s layer norms are :class:`HalfLayerNorm`, if ``wanted``."""
    norms = (
        [module for module in model.modules() if type(module) is nn.LayerNorm and module.elementwise_affine]
        if wanted
        else []
    )
    for module in norms:
        module.__class__ = HalfLayerNorm
    try:
        yield
    finally:
        for module in norms:
            module.__class__ = nn.LayerNorm


def compile_layers(backbone: Any) -> None:
    """Compile each layer in place: they are alike, so one compilation serves all of them."""
    for layer in layers_of(backbone):
        layer.compile()


def layers_of(backbone: Any) -> list[nn.Module]:
    """The layers of an encoder or decoder, in their order; none where they share their weights.

    By what they are, not by ``_no_split_modules``, where transformers names embeddings too, or nothing.
    """
    depth = backbone.config.num_hidden_layers
    for module in backbone.modules():
        if isinstance(module, nn.ModuleList) and len(module) == depth:
            return list(module)
    return []


def checkpoint_layers(backbone: Any, inside: contextlib.AbstractContextManager | None = None) -> None:
    """Have each layer keep its inputs alone and compute itself again for its gradients, with the dropout that
    it had.

    Args:
        inside: the context that a layer is computed again in, if the model computes in one.

    Raises:
        XferError: the architecture cannot.
    """
    if not backbone.supports_gradient_checkpointing:
        raise XferError(
            f"gradient_checkpointing=true: layers of {backbone.config.model_type} cannot be computed again.",
            "Use micro_batch=… for less memory.",
        )
    more = {"context_fn": lambda: (contextlib.nullcontext(), inside)} if inside else {}
    backbone.gradient_checkpointing_enable({"use_reentrant": False, **more})
