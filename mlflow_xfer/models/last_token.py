"""Which token a decoder's head reads of a text among others: the one that it reads of the text alone.

transformers' heads of texts look for the last token that is not the pad token of their configuration, so what
rows are filled up with has a say. Heads that others trained may have been trained with one, another or none.
"""

from __future__ import annotations

from typing import Any

from mlflow_xfer.models.heads import OwnHead
from mlflow_xfer.models.limits import is_decoder

NONE = -1
"""Stands for padding where every token of a text may be its last."""


def read_as_alone(head: Any) -> None:
    """Have ``head`` of a decoder, as it was loaded, read each row of a batch as it reads that row alone.

    With a pad token in its configuration it looks for the last token that is another, as it was trained;
    without one it reads a text's last token, whatever it is.
    """
    if not is_decoder(head.config) or isinstance(head, OwnHead):
        return
    pad = getattr(head.config, "pad_token_id", None)
    if not (isinstance(pad, int) and 0 <= pad < head.config.vocab_size):
        pad = head.config.pad_token_id = NONE

    def fill(_: Any, args: Any, inputs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        ids = inputs["input_ids"].masked_fill(inputs["attention_mask"] == 0, pad)
        return args, inputs | {"input_ids": ids}

    head.register_forward_pre_hook(fill, with_kwargs=True)
    if pad == NONE:
        getattr(head, head.base_model_prefix).register_forward_pre_hook(_with_embedding, with_kwargs=True)


def _with_embedding(_: Any, args: tuple[Any, ...], inputs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """The ids that the backbone reads: the mask hides what stands where padding is."""
    if args:
        return (args[0].clamp(min=0), *args[1:]), inputs
    return args, inputs | {"input_ids": inputs["input_ids"].clamp(min=0)}
