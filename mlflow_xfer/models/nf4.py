"""Linear layers in 4 bits (NF4, Dettmers et al. 2023) by bitsandbytes: frozen, a seventh of the memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn


def quantize(backbone: nn.Module, names: Sequence[str], half: bool) -> None:
    """Put layers of 4 bits in the place of those called ``names``; Conv1D's stay as they are.

    Args:
        half: whether they are computed in bfloat16 instead of float32.
    """
    made = _library()
    for name in names:
        layer = backbone.get_submodule(name)
        if not isinstance(layer, nn.Linear):
            continue
        small = made.nn.Linear4bit(
            layer.in_features,
            layer.out_features,
            bias=layer.bias is not None,
            compute_dtype=torch.bfloat16 if half else torch.float32,
            compress_statistics=False,
            quant_type="nf4",
            device="meta",
        )
        small.weight = made.nn.Params4bit(
            layer.weight.detach(),
            requires_grad=False,
            quant_type="nf4",
            compress_statistics=False,
            module=small,
        ).to("cpu")
        small.bias = layer.bias
        small.support_avx512bf16_for_cpu = False  # in evaluation it would round the weights for good
        backbone.set_submodule(name, small)


def plain(layer: Any) -> Any:
    """A float32 layer with the values that ``layer`` computes with; itself, where it has no other form."""
    if type(layer).__name__ != "Linear4bit":
        return layer
    made = nn.utils.skip_init(nn.Linear, layer.in_features, layer.out_features, layer.bias is not None)
    weight = _library().functional.dequantize_4bit(layer.weight.data, layer.weight.quant_state)
    made.weight = nn.Parameter(weight.float().contiguous())
    made.bias = layer.bias
    return made


def rounded(weight: torch.Tensor) -> torch.Tensor:
    """The values that a linear layer of 4 bits computes with in the place of ``weight``."""
    made = _library().functional
    small, state = made.quantize_4bit(weight, quant_type="nf4", compress_statistics=False)
    return made.dequantize_4bit(small, state).float().contiguous()


def restore(backbone: nn.Module) -> None:
    """Put plain layers in the place of all that have 4 bits."""
    for name, module in list(backbone.named_modules()):
        if type(module).__name__ == "Linear4bit":
            backbone.set_submodule(name, plain(module))


def _library() -> Any:
    import bitsandbytes  # pyright: ignore[reportMissingImports] - an extra

    return bitsandbytes
