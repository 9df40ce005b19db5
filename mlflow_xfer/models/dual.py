"""The dual encoder: queries and candidates as unit vectors of one tower, trained
with the batch's own negatives.

As XTREME-R trains LAReQA and Mewsli-X (``third_party/bert.py`` of google-research/xtreme): cosines times a
trained scale that begins at 100, cross-entropy over the candidates of the batch, from queries to candidates.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from mlflow_xfer.models.embed import Pooling, pooled
from mlflow_xfer.models.heads import OwnHead
from mlflow_xfer.models.limits import is_decoder

SCALE = 100.0
TARGET = "target_"
"""Prefix of a candidate's inputs; a query's have none."""


class DualEncoder(OwnHead):
    """One tower for both sides. ``config.retrieval_pooling``: ``mean``, ``cls``, ``last``; ``auto`` is
    ``cls``, which XTREME-R uses, and for decoders ``last``, the only token that has read everything.

    Attributes:
        together: from the vectors of the rows at hand to those of the batch, where it is divided in training.
    """

    base_model_prefix = "model"

    def __init__(self, config: Any, backbone: Any):
        super().__init__()
        self.config, self.model = config, backbone
        self.together: Callable[[Tensor], Tensor] = lambda vectors: vectors
        self.scale = nn.Parameter(torch.full((1,), SCALE))
        self.decoder = is_decoder(backbone.config)
        asked: Any = getattr(config, "retrieval_pooling", "auto")
        self.pooling: Pooling = ("last" if self.decoder else "cls") if asked == "auto" else asked

    def encode(self, input_ids: Tensor, attention_mask: Tensor, **more: Tensor) -> Tensor:
        """Unit vectors [texts, hidden], float32."""
        cache = {"use_cache": False} if self.decoder else {}
        states = self.model(
            input_ids=input_ids, attention_mask=attention_mask, **more, **cache
        ).last_hidden_state
        return nn.functional.normalize(pooled(states.float(), attention_mask, self.pooling), dim=-1)

    def forward(self, **inputs: Tensor) -> Any:
        """``.logits`` [queries, candidates] of a batch; a candidate's inputs are named ``target_…``."""
        from transformers.modeling_outputs import SequenceClassifierOutput

        target = {
            name.removeprefix(TARGET): tensor for name, tensor in inputs.items() if name.startswith(TARGET)
        }
        source = {name: tensor for name, tensor in inputs.items() if not name.startswith(TARGET)}
        queries, candidates = self.together(self.encode(**source)), self.together(self.encode(**target))
        with torch.autocast(
            queries.device.type, enabled=False
        ):  # bfloat16 knows a cosine to 0.004, times 100
            return SequenceClassifierOutput(logits=queries @ candidates.T * self.scale)


def in_batch_loss_sum(logits: Tensor, targets: Mapping[str, Tensor]) -> Tensor:
    """Cross-entropy of each query's own candidate among those of the batch, summed, in float32.

    Args:
        logits: [n, n]; row i's own candidate is i.
        targets: ``query`` and ``positive`` [n], numbers that are equal where texts are: the candidate of an
            equal query and a copy of the own candidate are right too, so they are no negatives.
    """
    n = len(logits)
    equal = [numbers[:, None] == numbers[None, :] for numbers in (targets["query"], targets["positive"])]
    here = torch.arange(n, device=logits.device)
    right = (equal[0] | equal[1]) & (here[:, None] != here[None, :])
    return nn.functional.cross_entropy(
        logits.float().masked_fill(right, float("-inf")), here, reduction="sum"
    )
