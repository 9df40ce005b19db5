"""Heads that read all layers of a backbone: attention over layers weighs the states of each token."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

MARK = "xfer_head_reads"
"""Name in a head's configuration; its value is that of the setting ``head_reads``."""


class LayerMix(nn.Module):
    """``backbone`` with a last state that is a mean of the states of all layers, embeddings included, weighed
    token by token: softmax over layers of a trained query's product with the state, and a trained number for
    each layer (cf. Peters et al. 2018). States are normalised first, since their size grows with depth.
    Untrained it is the plain mean.
    """

    def __init__(self, backbone: Any):
        super().__init__()
        self.backbone, self.config = backbone, backbone.config
        self.query = nn.Parameter(torch.zeros(backbone.config.hidden_size))
        self.layer = nn.Parameter(torch.zeros(backbone.config.num_hidden_layers + 1))

    def forward(self, *inputs: Any, **more: Any) -> Any:
        found = self.backbone(*inputs, **more | {"output_hidden_states": True})
        states = torch.stack(found.hidden_states)  # [layers, texts, tokens, hidden]
        states = nn.functional.layer_norm(states, states.shape[-1:])
        scores = states @ self.query.to(states.dtype) / len(self.query) ** 0.5
        weights = (scores.float() + self.layer[:, None, None]).softmax(0)
        found.last_hidden_state = (states * weights[..., None].to(states.dtype)).sum(0)
        if found.get("pooler_output") is not None:
            found.pooler_output = self.backbone.pooler(found.last_hidden_state)
        return found


def read_layers(head: Any, backbone: nn.Module) -> None:
    """Have ``head``, which stands on ``backbone``, read all its layers."""
    for name, child in list(head.named_children()):
        if child is backbone:
            setattr(head, name, LayerMix(backbone))
            setattr(head.config, MARK, "layers")


def reads_layers(head: nn.Module) -> bool:
    return any(isinstance(child, LayerMix) for child in head.children())
