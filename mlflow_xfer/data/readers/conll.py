"""A word and its tag per line, in fields."""

from __future__ import annotations

from itertools import chain
from pathlib import Path

from mlflow_xfer.data.readers import Numbered, each_file
from mlflow_xfer.lines import Malformed, numbered
from mlflow_xfer.tasks.task import Files


@each_file
def read(path: Path, source: Files, language: str) -> Numbered:
    """One token per line, a blank line between sentences (several count as one).

    Fields are separated by tabs, or by single blanks where no line has a tab. ``columns`` says where
    ``words`` and ``tags`` stand (default: first and last; a file of one column has no tags). PAN-X's raw
    files write ``en:token``: where all tokens begin so, the prefix is cut at the first colon, and a token
    without tag is ``O`` there.
    """
    lines = list(numbered(path))
    filled = [line for _, line in lines if line.strip()]
    separator = _separator(filled)
    prefix = f"{source.codes.get(language, language)}:"
    prefixed = bool(filled) and all(line.startswith(prefix) for line in filled)
    at_word, at_tag = source.columns.get("words", 0), source.columns.get("tags", -1)
    tagged = any(len(line.split(separator)) > 1 for line in filled)
    words: list[str] = []
    tags: list[str | None] = []
    start = 1
    for number, line in chain(lines, [(len(lines) + 1, "")]):
        if line.strip():
            fields = line.split(separator)
            if not words:
                start = number
            word = _field(fields, at_word) or ""
            word = word.removeprefix(prefix) if prefixed else word
            tag = _field(fields, at_tag) if tagged and len(fields) > 1 else None
            if tagged and not tag:
                if not prefixed:
                    raise Malformed(
                        f"{path}:{number}: token {word!r} has no tag.",
                        "One token and its tag per line, separated by a tab.",
                    )
                tag = "O"
            if not word.strip() and not (
                separator == "\t" and tag
            ):  # WikiAnn has words that consist of a space
                raise Malformed(
                    f"{path}:{number}: has no token.", "One token and its tag per line, separated by a tab."
                )
            words.append(word)
            tags.append(tag)
        elif words:
            yield start, {"words": words, "tags": tags if tagged else None}
            words, tags = [], []


def _separator(lines: list[str]) -> str:
    """Tab, or a blank where no line has a tab and all have as many (two or more) fields between blanks."""
    widths = set() if any("\t" in line for line in lines) else {line.count(" ") for line in lines}
    return " " if len(widths) == 1 and widths.pop() >= 1 else "\t"


def _field(fields: list[str], position: int) -> str | None:
    return fields[position] if -len(fields) <= position < len(fields) else None
