"""A text or a pair of texts out of a raw row, for the kinds that read one or two texts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from mlflow_xfer.data.canonical import mapped, text_of
from mlflow_xfer.data.labels import BadRow, absent
from mlflow_xfer.data.unlabelled import text_in
from mlflow_xfer.tasks.task import Files, Hub


def text_or_pair(source: Hub | Files) -> Callable[[Any], dict[str, Any]]:
    """A function from a raw row to ``text_a`` and ``text_b`` (None for single texts);
    raises :class:`BadRow`.
    """
    (get_a, a), (get_b, b) = (mapped(source, name) for name in ("text_a", "text_b"))
    pair = "text_b" in source.columns

    def read(raw: Any) -> dict[str, Any]:
        second = get_b(raw)
        if absent(second) and not pair:
            second = None
        text_a = text_of(get_a(raw), a)
        text_b = None if second is None and not pair else text_of(second, b)
        if not text_a.strip() and not (text_b or "").strip():
            raise BadRow("has no text")
        return {"text_a": text_a, "text_b": text_b}

    return read


def pair_of(raw: Mapping[str, Any]) -> dict[str, Any]:
    """A user's own text or pair, without a label; raises KeyError or ValueError for what it lacks."""
    return {
        "text_a": text_in(raw, "text_a", "text"),
        "text_b": text_in(raw, "text_b") if raw.get("text_b") not in (None, "") else None,
    }
