"""Attention within the documents of packed rows: what a model has to be given so that it reads each as alone.

Most architectures take a block-diagonal mask. Those with windows need the window in it, or tell documents
apart by positions that begin anew; some can do neither, and read one document a row. Which a model needs is
tried on the model itself (:func:`packing_of`), so that an architecture that nobody knows is not read wrongly.

A kernel that skips what the mask hides (flash attention over documents of different length) was measured
slower here: 384,000 tokens a second against 416,000 for an XLM-R base on an H200, rows of 128 tokens.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import torch
from torch import Tensor

from mlflow_xfer.models.limits import first_position, is_decoder

Packing = Literal["mask", "windows", "positions", "rows"]
"""``mask``: a block-diagonal mask; ``windows``: one for layers that read all and one for those that read a
window; ``positions``: positions alone, which begin anew with each document; ``rows``: one document a row."""

TOLERANCE = 1e-4
"""Largest difference of a token's states, relative to them, that rounding makes."""


def masked_inputs(inputs: Mapping[str, Tensor], backbone: Any, packing: Packing = "mask") -> dict[str, Any]:
    """Packed ``inputs`` as ``backbone`` reads them: ``document`` numbers [rows, tokens] become a boolean mask
    [rows, 1, tokens, tokens], within a document only.

    Made on the device, where it costs nothing to move. Padding attends to padding, so that no row is empty (a
    softmax over nothing is not a number). Other inputs pass through.
    """
    made: dict[str, Any] = dict(inputs)
    if "position_ids" in made and not _takes_positions(backbone):
        del made["position_ids"]
    document = made.pop("document", None)
    if document is not None and packing != "positions":
        mask = document[:, None, :, None] == document[:, None, None, :]
        if is_decoder(backbone.config):
            mask = mask & torch.ones(mask.shape[-2:], dtype=torch.bool, device=mask.device).tril()
        made["attention_mask"] = mask
        if packing == "windows":
            at = torch.arange(mask.shape[-1], device=mask.device)
            near = (at[:, None] - at[None, :]).abs() <= backbone.config.sliding_window
            made["attention_mask"] = {"full_attention": mask, "sliding_attention": mask & near}
    return made


def _takes_positions(backbone: Any) -> bool:
    return "position_ids" in inspect.signature(backbone.forward).parameters


@torch.inference_mode()
def packing_of(backbone: Any, length: int, anew: bool = False) -> Packing:
    """How ``backbone`` reads packed rows of ``length`` tokens: the first way in which each document has the
    states that it has alone, tried on rows of random tokens, of three documents and of one that fills the
    row; ``rows`` where no way has.

    Args:
        anew: whether positions begin anew within a document, too, which is then not where one begins.
    """
    ways: list[Packing] = ["mask", "windows"]
    if is_decoder(backbone.config) and not anew:
        ways.append("positions")
    draw = torch.Generator().manual_seed(0)
    ids = torch.randint(0, backbone.config.vocab_size, (1, max(length, 8)), generator=draw)
    ids[ids == backbone.config.pad_token_id] = 0 if backbone.config.pad_token_id else 1
    where, training = next(backbone.parameters()).device, backbone.training
    ids = ids.to(where)
    backbone.eval()
    try:
        tried = []
        for lengths in (_lengths(ids.shape[1]), [ids.shape[1]]):
            alone = [
                _states(backbone, {"input_ids": part, "attention_mask": torch.ones_like(part)})
                for part in ids.split(lengths, dim=1)
            ]
            packed = _packed(ids, lengths, first_position(backbone.config.to_dict()))
            tried.append((packed, torch.cat(alone, dim=1)))
        for way in ways:
            if all(_reads(backbone, packed, way, wanted) for packed, wanted in tried):
                return way
    finally:
        backbone.train(training)
    return "rows"


def _lengths(total: int) -> list[int]:
    """Of the documents of a row: a long one, whose windows do not reach over it, between two short ones."""
    short = max(2, total // 8)
    return [short, total - 2 * short, short]


def _packed(ids: Tensor, lengths: Sequence[int], first: int) -> dict[str, Tensor]:
    numbers = torch.repeat_interleave(torch.arange(1, len(lengths) + 1), torch.tensor(lengths))
    positions = torch.cat([torch.arange(n) for n in lengths]) + first
    return {
        "input_ids": ids,
        "position_ids": positions[None].to(ids.device),
        "document": numbers[None].to(ids.device),
    }


def _reads(backbone: Any, packed: Mapping[str, Tensor], way: Packing, wanted: Tensor) -> bool:
    try:
        states = _states(backbone, masked_inputs(packed, backbone, way))
    except Exception:  # noqa: BLE001 - whatever an architecture makes of a mask that it does not take
        return False
    return bool(((states - wanted).norm(dim=-1) <= TOLERANCE * wanted.norm(dim=-1)).all())


def _states(backbone: Any, inputs: Mapping[str, Any]) -> Tensor:
    cache = {"use_cache": False} if is_decoder(backbone.config) else {}
    return backbone(**inputs, **cache).last_hidden_state.float()
