"""Mentions and entities of Mewsli-X as texts, like those of XTREME-R's baseline."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlflow_xfer.lines import Malformed

BRACED = re.compile(r"\{(.*?)\}")  # braces mark the mention


def marked(path: Path, number: int, context: dict, mention: dict) -> str:
    """The sentence of a mention, the mention named before and marked inside."""
    try:
        text, span = context["text"], mention["mention_span"]
        start, end = span["start"], span["end"]
        begin, stop = next(((b, e) for b, e in _sentences(context) if b <= start < e), (0, len(text)))
    except (KeyError, TypeError, ValueError) as error:
        raise Malformed(f"{path}:{number}: is not in Mewsli-X's format ({error!r}).") from None
    if text[start:end] != span["text"]:
        raise Malformed(
            f"{path}:{number}: {span['text']!r} does not stand at character {start} of its text.",
            "Released files have no article text: run the data set's script that fills it in.",
        )
    left, right = (BRACED.sub(r"(\1)", part) for part in (text[begin:start], text[end:stop]))
    return _on_one_line(f"{span['text']}: {left} {{ {span['text']} }} {right}")


def described(path: Path, number: int, entity: dict) -> str:
    """The sentences of an entity's description."""
    try:
        text = entity["description"]
        return _on_one_line(" ".join(text[begin:end] for begin, end in _sentences(entity)) or text)
    except (KeyError, TypeError, ValueError) as error:
        raise Malformed(f"{path}:{number}: is not in Mewsli-X's format ({error!r}).") from None


def _sentences(of: Mapping[str, Any]) -> list[tuple[int, int]]:
    """Where sentences begin and end: released as ``[{start, end}, …]``; the hub may turn that inside out."""
    spans = of.get("sentence_spans") or ()
    if isinstance(spans, Mapping):
        return list(zip(spans["start"], spans["end"], strict=True))
    return [(one["start"], one["end"]) if isinstance(one, Mapping) else (one[0], one[1]) for one in spans]


def _on_one_line(text: str) -> str:
    return " ".join(text.split())
