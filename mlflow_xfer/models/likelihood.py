"""Multiple choice by a decoder's own language model: how likely is each choice after its prompt?

The mean log-probability of the choice's tokens, so that long choices are not punished for their length (Brown
et al. 2020 §2.4). It needs no training; trained, the choices' likelihoods are compared by cross-entropy.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from mlflow_xfer.errors import XferError
from mlflow_xfer.models.directions import reads_both_ways
from mlflow_xfer.models.heads import OwnHead, scaled
from mlflow_xfer.models.limits import is_decoder


class LikelihoodChoice(OwnHead):
    """Logits are mean log-probabilities under ``lm``, whose backbone is ``backbone``.

    Raises:
        XferError: for encoders, and for decoders without LM head.
    """

    base_model_prefix = "model"

    def __init__(self, config: Any, backbone: Any, lm: Any):
        super().__init__()
        if not is_decoder(backbone.config):
            raise XferError(
                f"choice_scoring=likelihood needs a decoder; {backbone.config.model_type} reads both ways.",
                "Use choice_scoring=head.",
            )
        if reads_both_ways(backbone.config):
            raise XferError(
                "choice_scoring=likelihood needs a decoder that reads from left to right.",
                "Use attention=causal, or choice_scoring=head.",
            )
        if lm is None:
            raise XferError(
                "choice_scoring=likelihood needs a language model, and this checkpoint has no LM head.",
                "Use choice_scoring=head.",
            )
        head: Any = getattr(lm, "lm_head", None)
        output: Any = lm.get_output_embeddings()
        whole = head is None or any(part is output for part in head.modules())
        parts: list[Any] = [head, output]
        self.config, self.model = config, backbone
        self.output = output if whole else nn.Sequential(*parts)  # ModernBERT's decoder

    def forward(self, input_ids: Tensor, attention_mask: Tensor, scored: Tensor) -> Any:
        """``input_ids`` [batch, choices, tokens]; ``scored`` is 1 at a choice's tokens ->
        ``.logits`` [batch, choices]."""
        from transformers.modeling_outputs import MultipleChoiceModelOutput

        ids, mask, mine = (tensor.flatten(0, 1) for tensor in (input_ids, attention_mask, scored))
        hidden = self.model(input_ids=ids, attention_mask=mask, use_cache=False).last_hidden_state
        row, at = mine[:, 1:].nonzero(as_tuple=True)  # a token is predicted at the one before it
        logits = scaled(self.model.config, self.output(hidden[row, at])).float()
        likelihood = torch.log_softmax(logits, -1).gather(-1, ids[row, at + 1][:, None])[:, 0]
        total = torch.zeros(len(ids), device=ids.device).index_add(0, row, likelihood)
        return MultipleChoiceModelOutput(
            logits=(total / mine[:, 1:].sum(1).clamp(min=1)).view(input_ids.shape[:2])
        )
