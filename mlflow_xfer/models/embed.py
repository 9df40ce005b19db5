"""Sentence embeddings from one layer of a backbone.

The mean over a text's tokens, special tokens included (as XTREME's retrieval scripts do), of a middle layer:
a pretrained encoder's last layer is the worst of all for retrieval.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import torch
from torch import Tensor

from mlflow_xfer.errors import XferError
from mlflow_xfer.models import limits
from mlflow_xfer.models.directions import reads_both_ways
from mlflow_xfer.models.limits import is_decoder
from mlflow_xfer.models.load import load_backbone, load_tokenizer

Layer = int | Literal["auto"]
Pooling = Literal["mean", "cls", "last"]
AUTO_DEPTH = 0.6
"""Depth of the layer that ``auto`` names: 14 of XLM-R large's 24 (XTREME, jiant), 7 of 12."""

CPU_TOKENS = 2048
"""Most tokens of a batch that is only read, on a CPU: larger ones fall out of its caches (8,192:
1.3 to 1.7 times as long)."""


def auto_layer(n_layers: int) -> int:
    """The last of one or two layers: so shallow a model has no middle (mini: centred
    retrieval 80 against 62)."""
    return n_layers if n_layers <= 2 else round(AUTO_DEPTH * n_layers)


@torch.inference_mode()
def embed_layers(
    model_dir: Path | str,
    texts: Sequence[str],
    *,
    layers: Sequence[Layer] | None = None,
    pooling: Pooling = "mean",
    token_budget: int = 8192,
    max_seq_length: int = 128,
    device: str = "auto",
) -> dict[int, np.ndarray]:
    """Vectors of ``texts`` from several layers (None: all) in one pass, {layer: float32 [texts, hidden]}.

    Raises:
        XferError: for a layer that the model does not have, or ``cls`` of a decoder, whose
            first token has read nothing; or a vector is not finite.
    """
    where = torch.device(
        "cuda" if device == "auto" and torch.cuda.is_available() else "cpu" if device == "auto" else device
    )
    tokenizer, backbone = load_tokenizer(model_dir), cast("Any", load_backbone(model_dir))
    model = backbone.to(where).eval()
    limits.check_vocabulary(model.config, tokenizer)
    limits.check_length(max_seq_length, limits.longest(model.config.to_dict()))
    depth = model.config.num_hidden_layers
    wanted = (
        list(range(depth + 1))
        if layers is None
        else [auto_layer(depth) if n == "auto" else n for n in layers]
    )
    if any(not 0 <= n <= depth for n in wanted):
        raise XferError(
            f"layer={max(wanted, key=abs)}, but the model at {model_dir} has layers 0 to {depth}.",
            "0 is the embeddings.",
        )
    if pooling == "cls" and is_decoder(model.config) and not reads_both_ways(model.config):
        raise XferError(
            "pooling=cls of a decoder is the same for all texts: its first token has read nothing.",
            "Use mean or last.",
        )
    vectors = {n: np.zeros((len(texts), model.config.hidden_size), np.float32) for n in wanted}
    rows = (
        tokenizer(list(texts), truncation=True, max_length=max_seq_length)["input_ids"] if len(texts) else []
    )
    half = (
        torch.autocast("cuda", torch.bfloat16)
        if where.type == "cuda" and torch.cuda.is_bf16_supported()
        else torch.autocast("cpu", enabled=False)
    )
    pad, segments = limits.pad_id(model.config, tokenizer), limits.segments(model.config, tokenizer)
    budget = min(token_budget, CPU_TOKENS) if where.type == "cpu" else token_budget
    for numbers in _batches([len(row) for row in rows], budget):
        inputs = _padded([rows[i] for i in numbers], pad, segments, where)
        limits.check_ids(inputs["input_ids"].cpu().numpy(), model.config.vocab_size)
        with half:
            states = _hidden_states(model, inputs)
        for n in wanted:
            vectors[n][numbers] = pooled(states[n].float(), inputs["attention_mask"], pooling).cpu().numpy()
    for n, array in vectors.items():
        if wrong := len(texts) - int(np.isfinite(array).all(1).sum()):
            raise XferError(
                f"Layer {n} of the model at {model_dir} gives {wrong} of {len(texts)} texts no numbers "
                "(nan).",
                "Its weights have diverged: take an earlier checkpoint, or another layer.",
            )
    return vectors


def _hidden_states(model: Any, inputs: Mapping[str, Tensor]) -> Sequence[Tensor]:
    cache = {"use_cache": False} if is_decoder(model.config) else {}
    return model(**inputs, **cache, output_hidden_states=True).hidden_states


def pooled(states: Tensor, mask: Tensor, pooling: Pooling) -> Tensor:
    """[texts, tokens, hidden] and the attention mask [texts, tokens] -> [texts, hidden]; padding may stand on
    either side."""
    if pooling in ("cls", "last"):
        at, seen = torch.arange(mask.shape[1], device=mask.device), mask.bool()
        places = (
            at.masked_fill(~seen, len(at)).amin(1) if pooling == "cls" else at.masked_fill(~seen, -1).amax(1)
        )
        return states[torch.arange(len(states), device=states.device), places.clamp(0, len(at) - 1)]
    if pooling == "mean":
        weights = mask.unsqueeze(-1).to(states.dtype)
        return (states * weights).sum(1) / weights.sum(1).clamp(min=1)
    raise XferError(f"Unknown pooling {pooling!r}.", "Accepted: mean, cls, last")


def _batches(lengths: Sequence[int], token_budget: int) -> list[list[int]]:
    """Numbers of texts in batches of at most ``token_budget`` tokens, longest first."""
    order = sorted(range(len(lengths)), key=lambda i: -lengths[i])
    batches, begin = [], 0
    while begin < len(order):
        size = max(1, token_budget // max(lengths[order[begin]], 1))
        batches.append(order[begin : begin + size])
        begin += size
    return batches


def _padded(
    rows: Sequence[Sequence[int]], pad_id: int, segments: limits.Segments | None, where: torch.device
) -> dict[str, Tensor]:
    width = max(1, max(map(len, rows)))
    ids = np.full((len(rows), width), pad_id, np.int64)
    mask, types = np.zeros((2, len(rows), width), np.int64)
    mask[:, 0] = 1  # a text of no tokens is read as one pad token
    for i, row in enumerate(rows):
        ids[i, : len(row)], mask[i, : len(row)] = row, 1
        if segments is not None:
            types[i, : len(row)] = segments.of(len(row), len(row))
    inputs = {"input_ids": ids, "attention_mask": mask}
    if segments is not None:
        inputs["token_type_ids"] = types
    return {name: torch.from_numpy(values).to(where) for name, values in inputs.items()}
