"""Answers that are spans of a context: texts, and where they begin in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from mlflow_xfer.data.labels import MISSING, BadRow, NoLabel, absent


def _by_characters(text: str, start: int) -> int:
    return start


def _by_units(encoding: str, width: int) -> Callable[[str, int], int]:
    def found(text: str, start: int) -> int:
        before = text.encode(encoding)[: start * width]
        try:
            return len(before.decode(encoding))
        except UnicodeDecodeError:  # inside of a character
            return -1

    return found


OFFSETS: Mapping[str, Callable[[str, int], int]] = {
    "characters": _by_characters,
    "utf-16": _by_units("utf-16-le", 2),
    "bytes": _by_units("utf-8", 1),
}
"""What places in a context may count, and how they become places in code points: JavaScript and Java count
units of UTF-16, Go and C bytes of UTF-8."""


SHAPE = '{"text": ["Paris"], "answer_start": [17]}'


def answers_of(given: Any, context: str, unit: str) -> tuple[list[str], list[int]]:
    """The texts of the answers and where each begins, in characters.

    ``given`` is ``{text: […], answer_start: […]}``, one text with one start, or a list of such.

    Raises:
        NoLabel: nothing is given, or the texts are blank (as XTREME's scripts leave them in test sets).
        BadRow: an answer does not stand where it is said to, or what is given has another shape: where texts
            have another name they would seem to be none.
    """
    for one in given if isinstance(given, list) else [given]:
        if isinstance(one, Mapping) and "text" not in one:
            names = ", ".join(map(str, one)) or "nothing"
            raise BadRow(f"has answers of {names} without text, which are not like {SHAPE}")
    if isinstance(given, list) and all(isinstance(one, Mapping) for one in given):
        given = {name: [one.get(name) for one in given] for name in ("text", "answer_start")}
    if absent(given) or isinstance(given, str) and not given.strip():
        raise NoLabel("has no answers", given is MISSING)
    if not isinstance(given, Mapping):
        raise BadRow(f"has the answers {str(given)[:40]!r}, which are not like {SHAPE}")
    if absent(given["text"]):
        raise NoLabel("has no answers")
    texts, starts = (_listed(given.get(name)) for name in ("text", "answer_start"))
    if texts and not any(texts):
        raise NoLabel("has a blank answer")
    if len(texts) != len(starts):
        raise BadRow(f"has {len(texts)} answers and {len(starts)} places where they begin (answer_start)")
    places = [_place(text, start, context, unit) for text, start in zip(texts, starts, strict=True)]
    return texts, places


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if absent(value) else [value]


def _place(text: Any, start: Any, context: str, unit: str) -> int:
    """Where an answer begins, in characters."""
    whole = start if isinstance(start, int) and not isinstance(start, bool) else None
    if isinstance(start, str) and start.isdecimal() or isinstance(start, float) and start.is_integer():
        whole = int(start)
    if whole is None:
        raise BadRow(f"answer {str(text)[:40]!r} begins at {start!r:.40}, which is no whole number")
    if not isinstance(text, str) or not text.strip():
        raise BadRow(f"has the answer {text!r:.40}, which is no text")
    place = OFFSETS[unit](context, whole) if whole >= 0 else -1
    if place < 0 or context[place : place + len(text)] != text:
        raise BadRow(
            f"answer {text[:40]!r} does not stand at {_named(unit)} {whole} of its context"
            f"{_elsewhere(text, whole, context)}"
        )
    return place


def _named(unit: str) -> str:
    return {"characters": "character", "utf-16": "UTF-16 unit", "bytes": "byte"}[unit]


def _elsewhere(text: str, start: int, context: str) -> str:
    """Where else the answer stands: counted in other units, or at all."""
    for unit, count in OFFSETS.items():
        place = count(context, start) if start >= 0 else -1
        if place >= 0 and context[place : place + len(text)] == text:
            return f", but at {_named(unit)} {start} (offsets: {unit})"
    place = context.find(text)
    return f"; it stands at character {place}" if place >= 0 else ", nor anywhere in it"
