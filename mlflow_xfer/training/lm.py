"""Language models: how their texts are encoded and masked, and their loss on held-out text by language."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mlflow_xfer.data.encode import encode
from mlflow_xfer.data.encoded import IGNORED, Encoded
from mlflow_xfer.data.packing import Masking, uniforms
from mlflow_xfer.errors import XferError
from mlflow_xfer.models.heads import build, carries_lm_head, lm_loss_sum
from mlflow_xfer.models.limits import is_decoder
from mlflow_xfer.models.load import load_tokenizer
from mlflow_xfer.tasks.task import Task
from mlflow_xfer.training.batches import budgeted, padded, reading
from mlflow_xfer.training.checks import check_fits
from mlflow_xfer.training.devices import autocast, pick, to_device
from mlflow_xfer.training.predict import TOKEN_BUDGET

TEXT = Task("text", "language_model", metric="", languages=(), sources={})
"""How raw text is encoded."""

PASSES = 7
"""Masked passes over a text: each token is masked in exactly one of them, about 15
% at a time as in training."""


def lm_loss(
    model_dir: Path | str,
    splits: Mapping[str, Any],
    *,
    max_seq_length: int = 128,
    token_budget: int = TOKEN_BUDGET,
    device: str = "auto",
    precision: str = "auto",
) -> dict[str, float]:
    """Mean cross-entropy per token in nats, by language; its exponential is the (pseudo-)perplexity.

    Encoders predict every token once, with about 15 % of the text masked; decoders every
    token from those before it.

    Raises:
        XferError: if the checkpoint has no LM head.
    """
    if not carries_lm_head(model_dir):
        raise XferError(
            f"{model_dir} has no LM head.",
            "Only checkpoints of a pretrain phase, or those that carry its head, have a perplexity.",
        )
    where, tokenizer = pick(device), load_tokenizer(model_dir)
    model = build(model_dir, [], lm=True, seed=0).to(where).eval()
    check_fits(model.config, tokenizer, max_seq_length)
    encoded = encoded_texts(splits, tokenizer, max_seq_length, model.decoder)
    with autocast(where, precision):
        return lm_losses(model.lm, model.backbone, tokenizer, encoded, token_budget)


def encoded_texts(
    splits: Mapping[str, Any], tokenizer: Any, max_seq_length: int, decoder: bool
) -> dict[str, Encoded]:
    """Raw texts as rows of tokens, by language."""
    return {
        language: encode(split, TEXT, tokenizer, max_seq_length, decoder=decoder)
        for language, split in splits.items()
    }


def masking_of(tokenizer: Any, probability: float) -> Masking:
    """How an encoder with this tokenizer masks what it trains on."""
    if tokenizer.mask_token_id is None:
        raise XferError("Masked language modelling needs a tokenizer with a mask token.")
    return Masking(tokenizer.mask_token_id, len(tokenizer), tuple(tokenizer.all_special_ids), probability)


@torch.inference_mode()
def lm_losses(
    lm: Any,
    backbone: Any,
    tokenizer: Any,
    encoded: Mapping[str, Encoded],
    token_budget: int = TOKEN_BUDGET,
) -> dict[str, float]:
    """As :func:`lm_loss`, with a model in memory."""
    where, decoder = next(backbone.parameters()).device, is_decoder(backbone.config)
    how = reading(tokenizer, backbone.config, decoder, where.type == "cuda")
    losses = {}
    for name, texts in encoded.items():
        total, count = 0.0, 0
        for rows in budgeted(texts.lengths, token_budget):
            inputs = padded(texts, rows.tolist(), how)
            for ids, labels in _questions(inputs, rows, tokenizer, decoder):
                at = np.flatnonzero(labels.reshape(-1) != IGNORED)
                if not len(at):
                    continue
                asked = to_device(
                    {
                        **inputs,
                        "input_ids": ids,
                        "positions": torch.from_numpy(at),
                        "labels": torch.from_numpy(labels.reshape(-1)[at]),
                    },
                    where,
                )
                positions, wanted = asked.pop("positions"), asked.pop("labels")
                total += float(lm_loss_sum(lm, backbone, positions, wanted, asked))
                count += len(at)
        losses[name] = total / max(count, 1)
    return losses


def _questions(inputs: Mapping[str, torch.Tensor], rows: np.ndarray, tokenizer: Any, decoder: bool):
    """(input ids, labels) of the passes over one batch."""
    ids, mask = inputs["input_ids"].numpy(), inputs["attention_mask"].numpy() > 0
    if decoder:
        labels = np.full_like(ids, IGNORED)
        labels[:, :-1] = np.where(mask[:, 1:], ids[:, 1:], IGNORED)
        yield inputs["input_ids"], labels
        return
    real = mask & ~np.isin(ids, tokenizer.all_special_ids)
    example, position = (
        np.broadcast_to(rows[:, None], ids.shape),
        np.broadcast_to(np.arange(ids.shape[1]), ids.shape),
    )
    turn = (uniforms(0, 0, example, position, 4) * PASSES).astype(np.int64)
    for number in range(PASSES):
        hidden = real & (turn == number)
        yield torch.from_numpy(np.where(hidden, tokenizer.mask_token_id, ids)), np.where(hidden, ids, IGNORED)
