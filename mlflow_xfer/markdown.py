"""Markdown that stays what it is: tables, and text without markup of its own."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence

_BAR = re.compile(r"(?<!\\)\|")


def table(head: Sequence[object], rows: Iterable[Sequence[object]], right: Collection[int] = ()) -> str:
    """A table; a cell may hold markup, and is kept from ending before its time.

    Args:
        right: places of the columns whose cells stand on the right.
    """
    line = ["---:" if place in right else "---" for place in range(len(head))]
    return "\n".join([_row(head), f"|{'|'.join(line)}|", *map(_row, rows)])


def plain(value: object) -> str:
    """Text for a table cell or paragraph: no markup of its own, no HTML, one line."""
    text = " ".join(str(value).split())
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return "".join("\\" + c if c in "\\`*_[]|#~$" else c for c in text)


def _row(cells: Sequence[object]) -> str:
    return f"| {' | '.join(map(_cell, cells))} |"


def _cell(value: object) -> str:
    return _BAR.sub(r"\|", " ".join(str(value).splitlines()))
