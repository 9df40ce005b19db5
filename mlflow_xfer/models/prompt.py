"""Prompt tuning (Lester et al. 2021): trained vectors before the embeddings of every text, on a frozen model.

A head reads them through the backbone that it is given here, and sees none of them: what comes out are the
states of the text's own tokens, so that labels of tokens, spans, likelihoods and pooled vectors stand where
they always do. The vectors are published with the head, since no weight of the backbone holds them.
"""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from mlflow_xfer.errors import XferError
from mlflow_xfer.models.layer_mix import LayerMix
from mlflow_xfer.models.limits import PROMPT, first_position

NAME = "prompt"  # of the vectors among a head's tensors


class Prompted(nn.Module):
    """``backbone`` that reads ``prompt`` [vectors, width] before each text."""

    def __init__(self, backbone: Any, prompt: nn.Parameter):
        super().__init__()
        self.backbone, self.config, self.prompt = backbone, backbone.config, prompt
        self.takes_positions = "position_ids" in inspect.signature(backbone.forward).parameters

    @property
    def pooler(self) -> Any:
        return getattr(self.backbone, "pooler", None)

    def forward(self, input_ids: Tensor, attention_mask: Tensor | None = None, **more: Any) -> Any:
        n, rows = len(self.prompt), len(input_ids)
        words = self.backbone.get_input_embeddings()(input_ids)
        before = self.prompt.to(words.dtype).expand(rows, -1, -1)
        if attention_mask is None:
            attention_mask = torch.ones_like(input_ids)
        mask = torch.cat([attention_mask.new_ones(rows, n), attention_mask], 1)
        more |= {"inputs_embeds": torch.cat([before, words], 1), "attention_mask": mask}
        if self.takes_positions:  # of padding that of the last token, so that it has one
            more["position_ids"] = (mask.cumsum(1) - 1).clamp(min=0) + first_position(self.config.to_dict())
        if (types := more.get("token_type_ids")) is not None:
            more["token_type_ids"] = torch.cat([types.new_zeros(rows, n), types], 1)
        found = self.backbone(**more)
        found.last_hidden_state = found.last_hidden_state[:, n:]
        if found.get("hidden_states") is not None:
            found.hidden_states = tuple(states[:, n:] for states in found.hidden_states)
        if found.get("pooler_output") is not None:
            found.pooler_output = self.pooler(found.last_hidden_state)
        return found


def fresh(backbone: Any, length: int, generator: torch.Generator) -> nn.Parameter:
    """Embeddings of ``length`` tokens drawn at random: a prompt begins best as words that the model knows."""
    rows = backbone.get_input_embeddings().weight.detach()
    return nn.Parameter(rows[torch.randint(0, len(rows), (length,), generator=generator)].clone())


def empty(backbone: Any, length: int) -> nn.Parameter:
    """A prompt that is to be filled."""
    return nn.Parameter(torch.zeros(length, backbone.get_input_embeddings().weight.shape[1]))


def put(head: Any, backbone: nn.Module, prompt: nn.Parameter) -> None:
    """Have ``head``, which stands on ``backbone``, read ``prompt`` before every text."""
    for name, child in list(head.named_children()):
        if child is backbone:
            setattr(head, name, Prompted(backbone, prompt))
        elif isinstance(child, LayerMix):
            child.backbone = Prompted(backbone, prompt)
    setattr(head.config, PROMPT, len(prompt))


def is_prompted(head: Any) -> bool:
    return bool(getattr(head.config, PROMPT, 0))


def saved(checkpoint: Path, length: int) -> Tensor:
    """The prompt of ``length`` vectors that the checkpoint was trained with, of all its heads the same.

    Raises:
        XferError: it has none of this length.
    """
    lengths = set()
    for folder in sorted((checkpoint / "heads").glob("*")):
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))["config"]
        lengths.add(config.get(PROMPT, 0))
        if config.get(PROMPT) == length:
            tensors = load_file(folder / "model.safetensors")
            return next(tensor for name, tensor in tensors.items() if name.rpartition(".")[2] == NAME)
    if found := sorted(lengths - {0}):
        raise XferError(
            f"start_adapter=continue, but the prompt at {checkpoint} has prompt_length {found[0]}, "
            f"not {length}.",
            "Give the settings that it was trained with, or use start_adapter=merge.",
        )
    raise XferError(
        f"start_adapter=continue, but {checkpoint} has no prompt.",
        "Start from a checkpoint of a phase with trainable=prompt, or use start_adapter=merge.",
    )
