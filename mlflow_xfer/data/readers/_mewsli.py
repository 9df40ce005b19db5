"""Mentions of Mewsli-X, marked in their sentences."""

from __future__ import annotations

from pathlib import Path

from mlflow_xfer.lines import Malformed


def marked(path: Path, number: int, context: dict, mention: dict) -> str:
    """The sentence of a mention, the mention named before and marked inside (XTREME-R's baseline)."""
    try:
        text, span = context["text"], mention["mention_span"]
        start, end = span["start"], span["end"]
        begin, stop = next(
            ((b, e) for b, e in context.get("sentence_spans") or () if b <= start < e), (0, len(text))
        )
    except (KeyError, TypeError, ValueError) as error:
        raise Malformed(f"{path}:{number}: is not in Mewsli-X's format ({error!r}).") from None
    if text[start:end] != span["text"]:
        raise Malformed(
            f"{path}:{number}: {span['text']!r} does not stand at character {start} of its text.",
            "Released files have no article text: run the data set's script that fills it in.",
        )
    return f"{span['text']}: {text[begin:start]}{{ {span['text']} }}{text[end:stop]}".strip()
