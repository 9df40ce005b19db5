"""Attention within the documents of packed rows.

Everywhere: a block-diagonal mask. On a GPU in half precision: flash attention over documents of different length
(Dao 2023), through PyTorch's own kernel, which skips what the mask would hide and drops attention weights as
``scaled_dot_product_attention`` does.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

NAME = "xfer_documents"
BOUNDS = "document_bounds"
HALF = (torch.bfloat16, torch.float16)


def within_documents(
    module: torch.nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Any,
    dropout: float = 0.0,
    scaling: float | None = None,
    **kwargs: Any,
) -> tuple[Tensor, None]:
    """An attention function of transformers: [rows, heads, tokens, size] -> [rows, tokens, heads, size].

    ``cu_seq_lens_q`` [documents + 1] int32: where documents begin in the rows laid end to end.
    """
    rows, heads, tokens, size = query.shape
    if key.shape[1] != heads:  # grouped queries
        key, value = (x.repeat_interleave(heads // key.shape[1], dim=1) for x in (key, value))
    flat = [x.transpose(1, 2).reshape(rows * tokens, heads, size).to(value.dtype) for x in (query, key, value)]
    bounds, longest = kwargs["cu_seq_lens_q"], kwargs["max_length_q"]
    causal = bool(
        kwargs.get("is_causal") if kwargs.get("is_causal") is not None else getattr(module, "is_causal", False)
    )
    out = torch.ops.aten._flash_attention_forward(
        *flat, bounds, bounds, longest, longest, dropout, causal, False, scale=scaling
    )[0]
    return out.view(rows, tokens, heads, size), None


def has_kernel(backbone: torch.nn.Module, device: torch.device) -> bool:
    """Whether :func:`within_documents` can run: a GPU since Ampere, half precision, and heads it knows."""
    if device.type != "cuda" or not torch.is_autocast_enabled("cuda") or torch.get_autocast_dtype("cuda") not in HALF:
        return False
    size = backbone.config.hidden_size // backbone.config.num_attention_heads
    return torch.cuda.get_device_capability(device) >= (8, 0) and size % 8 == 0 and size <= 256


def bounds_of(document: Tensor) -> Tensor:
    """Where documents begin in the rows laid end to end, int32, with the end at last.

    ``document`` [rows, tokens]: document numbers; padding counts as a document of its own.
    """
    begins = torch.ones_like(document, dtype=torch.bool)
    begins[:, 1:] = document[:, 1:] != document[:, :-1]
    at = torch.cat([begins.flatten().nonzero().flatten(), torch.tensor([document.numel()])])
    return at.to(torch.int32)


def masked_inputs(inputs: Mapping[str, Any], decoder: bool) -> dict[str, Any]:
    """``document`` numbers become a boolean mask [rows, 1, tokens, tokens]: within a document only.

    Made on the device, where it costs nothing to move. Padding attends to padding, so that no row is empty (a softmax
    over nothing is not a number).
    """
    inputs = dict(inputs)
    inputs.pop(BOUNDS, None)
    document = inputs.pop("document", None)
    if document is not None:
        mask = document[:, None, :, None] == document[:, None, None, :]
        if decoder:
            mask = mask & torch.ones(mask.shape[-2:], dtype=torch.bool, device=mask.device).tril()
        inputs["attention_mask"] = mask
    return inputs


@contextlib.contextmanager
def by_documents(backbone: torch.nn.Module, inputs: Mapping[str, Any], decoder: bool) -> Iterator[dict[str, Any]]:
    """The inputs as ``backbone`` wants them within this context: bounds where the kernel runs, else a mask."""
    if inputs.get(BOUNDS) is None or not has_kernel(backbone, inputs["input_ids"].device):
        yield masked_inputs(inputs, decoder)
        return
    from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

    ALL_ATTENTION_FUNCTIONS.register(NAME, within_documents)
    inputs = dict(inputs)
    bounds, longest = inputs.pop(BOUNDS), inputs.pop("document").shape[1]  # a row is as long as any document
    lengths = {"cu_seq_lens_q": bounds, "cu_seq_lens_k": bounds, "max_length_q": longest, "max_length_k": longest}
    before = backbone.config._attn_implementation
    backbone.config._attn_implementation = NAME
    try:
        yield {**inputs, **lengths}
    finally:
        backbone.config._attn_implementation = before
