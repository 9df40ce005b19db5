"""A head on one vector of a text: of its first token, its last, or the mean of all."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from mlflow_xfer.models.directions import check_pooling, reads_both_ways
from mlflow_xfer.models.embed import pooled
from mlflow_xfer.models.heads import OwnHead, initialise
from mlflow_xfer.models.limits import is_decoder

POOLING = "head_pooling"
"""Name in a head's configuration; its value is that of the option ``pooling``."""


class PooledHead(OwnHead):
    """``config.num_labels`` numbers from a text's vector, by a linear layer."""

    base_model_prefix = "model"

    def __init__(self, config: Any, backbone: Any):
        super().__init__()
        self.config, self.model, self.pooling = config, backbone, getattr(config, POOLING)
        check_pooling(self.pooling, backbone.config, reads_both_ways(backbone.config))
        self.decoder = is_decoder(backbone.config)
        self.dropout = nn.Dropout(float(getattr(config, "hidden_dropout_prob", None) or 0.0))
        self.score = nn.utils.skip_init(nn.Linear, config.hidden_size, config.num_labels)

    def forward(self, **inputs: Tensor) -> Any:
        """``input_ids`` [texts, tokens] … -> ``.logits`` [texts, labels]."""
        from transformers.modeling_outputs import SequenceClassifierOutput

        cache = {"use_cache": False} if self.decoder else {}
        states = self.model(**inputs, **cache).last_hidden_state
        vectors = pooled(states, inputs["attention_mask"], self.pooling)
        return SequenceClassifierOutput(logits=self.score(self.dropout(vectors)))


def head_of(config: Any, backbone: Any, pooling: str, generator: Any) -> PooledHead:
    """A fresh head."""
    setattr(config, POOLING, pooling)
    head = PooledHead(config, backbone)
    initialise(head.score, generator)
    return head
