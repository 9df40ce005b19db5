"""Dropout on a CPU, where torch draws a mask number by number: an eighth of an encoder's training step.

Here a number of 64 bits decides on four elements, which takes a quarter of the time. The numbers come from
torch's own generator, whose state is kept with everything else that a training resumes from.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

LEVELS = 2**16  # of one random number: a probability is rounded to a multiple of 1 / LEVELS
LEAST = 1e-3  # smaller probabilities would be rounded by more than a hundredth: torch's own dropout has them


class CheapMasks(TorchFunctionMode):
    """Inside, dropout and the dropout of attention draw their masks here where they compute on a CPU."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Collection[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        return CHEAPER.get(func, func)(*args, **(kwargs or {}))


def noise(shape: torch.Size, p: float, dtype: torch.dtype) -> Tensor:
    """What a tensor of this shape is multiplied with: 0 with the probability ``p``, else 1 / (1 - p)."""
    dropped = round(p * LEVELS)
    count = math.prod(shape)
    drawn = torch.empty(-(-count // 4), dtype=torch.int64).random_(-(2**63), None).view(torch.int16)
    kept = drawn[:count].view(shape).ge_(dropped - LEVELS // 2)  # 0 or 1, in place
    return kept.to(dtype).mul_(LEVELS / (LEVELS - dropped))


def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:  # noqa: A002
    """What :func:`torch.nn.functional.dropout` does."""
    if not (training and _here(input, p)):
        return functional.dropout(input, p, training, inplace)
    drawn = noise(input.shape, p, input.dtype)
    return input.mul_(drawn) if inplace else input * drawn


def attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """What :func:`torch.nn.functional.scaled_dot_product_attention` does, which has no kernel for dropout on
    a CPU either. Shapes are (rows, heads, tokens, size of a head).
    """
    if not _here(query, dropout_p):
        return functional.scaled_dot_product_attention(
            query, key, value, attn_mask, dropout_p, is_causal, scale=scale, enable_gqa=enable_gqa
        )
    if torch.is_autocast_enabled("cpu"):  # as torch does: all of it in the lower precision, the softmax too
        half = torch.get_autocast_dtype("cpu")
        query, key, value = query.to(half), key.to(half), value.to(half)
    if enable_gqa:
        groups = query.size(-3) // key.size(-3)
        key, value = key.repeat_interleave(groups, -3), value.repeat_interleave(groups, -3)
    with torch.autocast("cpu", enabled=False):
        scores = query * (scale or query.size(-1) ** -0.5) @ key.transpose(-2, -1)
        if is_causal:
            attn_mask = torch.ones(scores.shape[-2:], dtype=torch.bool).tril()
        if attn_mask is not None and attn_mask.dtype == torch.bool:
            scores = scores.masked_fill(~attn_mask, -math.inf)
        elif attn_mask is not None:
            scores = scores + attn_mask.to(scores.dtype)
        weights = torch.ops.aten._safe_softmax(scores, -1)  # 0 where all is masked
        return weights * noise(weights.shape, dropout_p, weights.dtype) @ value


def _here(input: Tensor, p: float) -> bool:  # noqa: A002
    return input.device.type == "cpu" and input.is_floating_point() and LEAST <= p <= 1 - LEAST


CHEAPER: dict[Callable[..., Any], Callable[..., Any]] = {
    functional.dropout: dropout,
    functional.scaled_dot_product_attention: attention,
}
