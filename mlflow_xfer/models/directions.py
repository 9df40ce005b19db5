"""Decoders that read both ways, as text encoders that are made of them do (BehnamGhader et al. 2024).

transformers' ``config.is_causal`` says so; it stands in what is published, and is set again where that is
loaded.
"""

from __future__ import annotations

from typing import Any

from mlflow_xfer.errors import XferError
from mlflow_xfer.models.limits import is_decoder


def reads_both_ways(config: Any) -> bool:
    """Whether a decoder of this configuration reads what follows a token, too."""
    return is_decoder(config) and getattr(config, "is_causal", True) is False


def read(backbone: Any, both_ways: bool) -> None:
    """Have a decoder read both ways, or from left to right.

    Raises:
        XferError: it is an encoder, or an architecture that does not do so.
    """
    if not is_decoder(backbone.config):
        if both_ways:
            raise encoder(backbone.config.model_type)
        return
    if both_ways == reads_both_ways(backbone.config):
        return
    set_causal(backbone, not both_ways)
    if both_ways and not _does(backbone):
        set_causal(backbone, True)
        raise XferError(
            f"attention=bidirectional: {backbone.config.model_type} reads from left to right all the same.",
            "Use attention=causal, or a decoder such as llama or qwen3.",
        )


def encoder(model_type: str) -> XferError:
    return XferError(
        f"attention=bidirectional is for decoders; {model_type} reads both ways as it is.",
        "Leave attention out.",
    )


def set_causal(model: Any, causal: bool) -> None:
    """In the configuration, by which masks are made, and in each layer, which makes none where nothing is
    padded."""
    model.config.is_causal = causal
    for part in model.modules():
        if isinstance(getattr(part, "is_causal", None), bool):
            part.is_causal = causal


def _does(backbone: Any) -> bool:
    """Whether a token's state depends on what follows it, the same with padding and without: tried on the
    model itself."""
    import torch

    training, where = backbone.training, next(backbone.parameters()).device
    ids = torch.arange(1, 9, device=where)[None] % backbone.config.vocab_size
    other, mask = ids.clone(), torch.ones_like(ids)
    other[0, -1] = 0
    backbone.eval()
    rows = ((ids, mask), (other, mask), (torch.cat([ids, ids], 1), torch.cat([mask, mask * 0], 1)))
    try:
        with torch.no_grad():
            found = [backbone(input_ids=ids, attention_mask=seen, use_cache=False) for ids, seen in rows]
    finally:
        backbone.train(training)
    alone, changed, padded = (one.last_hidden_state[0, 0].float() for one in found)
    scale = alone.norm()
    return bool((alone - changed).norm() > 1e-4 * scale and (alone - padded).norm() < 1e-4 * scale)


def check_pooling(pooling: str, config: Any, both_ways: bool) -> None:
    """Raise :class:`XferError` where the first token has read nothing."""
    if pooling == "cls" and is_decoder(config) and not both_ways:
        raise XferError(
            "pooling=cls of a decoder is the same for all texts: its first token has read nothing.",
            "Use mean or last, or attention=bidirectional.",
        )
