"""Heads of transformers whose answer would depend on the texts that are read beside a text."""

from __future__ import annotations

from typing import Any

from mlflow_xfer.errors import XferError

SUMMARISED = (
    *(f"{family}ForSequenceClassification" for family in ("Flaubert", "XLM", "XLNet")),
    *(f"{family}ForMultipleChoice" for family in ("Electra", "Flaubert", "RoFormer", "XLM", "XLNet")),
)
"""Classes that read what ``summary_type`` says; all but ``first`` count the places of the longest text."""


def check(auto: Any, config: Any) -> None:
    """Raise :class:`XferError` where ``auto``, a class of heads, reads padding in models of ``config``."""
    known = getattr(auto, "_model_mapping", {})
    name = known[type(config)].__name__ if type(config) in known else ""
    said = getattr(config, "summary_type", "last")
    if name in SUMMARISED and said != "first":
        what = "all places of a row, among them" if said == "mean" else "the last place of a row, which is"
        raise XferError(
            f"{name} reads {what} padding beside longer texts: its answer would depend on them.",
            "Of texts with a label or number: train a head with pooling=last; else take another model.",
        )
