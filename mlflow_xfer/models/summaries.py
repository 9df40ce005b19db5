"""Heads of transformers whose answer would depend on the texts that are read beside a text."""

from __future__ import annotations

from typing import Any

from mlflow_xfer.errors import XferError

OF_THE_LAST_PLACE = (
    "XLNetForSequenceClassification",
    "XLNetForMultipleChoice",
    "RoFormerForMultipleChoice",
)
"""Classes that read the state at the last place of a row, which is padding in all but the longest text."""


def check(auto: Any, config: Any) -> None:
    """Raise :class:`XferError` where ``auto``, a class of heads, reads padding in models of ``config``."""
    known = getattr(auto, "_model_mapping", {})
    name = known[type(config)].__name__ if type(config) in known else ""
    if name in OF_THE_LAST_PLACE and getattr(config, "summary_type", "last") == "last":
        raise XferError(
            f"{name} reads the last place of a row, which is padding beside longer texts: its answer would "
            "depend on them.",
            "Of texts with a label or number: pooling=last; else another model.",
        )
