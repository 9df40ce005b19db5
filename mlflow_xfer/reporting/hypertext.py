"""HTML and SVG from nested elements; every string is escaped, so that no name can become markup."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from html import escape

VOID = frozenset({"meta", "br", "hr", "link", "img", "path", "line", "rect", "circle"})


class Raw(str):
    """Text that is markup already: what :func:`element` returns, and style sheets."""


def text(child: object) -> Raw:
    """One child as markup: elements as they are, lists joined, everything else escaped."""
    if child is None:
        return Raw("")
    if isinstance(child, Raw):
        return child
    if isinstance(child, list | tuple):
        return Raw("".join(text(one) for one in child))
    return Raw(escape(_visible(str(child)), quote=True))


def _visible(value: str) -> str:
    """Without control characters, which HTML does not allow and which could hide what a name says."""
    return "".join(
        c if c in "\n\t" or (ord(c) >= 32 and ord(c) != 127) else "\N{REPLACEMENT CHARACTER}" for c in value
    )


def element(tag: str, *children: object, **attributes: object) -> Raw:
    """``<tag attributes>children</tag>``. Attribute names: ``_`` for ``-``, a trailing ``_`` is dropped
    (``class_``); ``None`` is left out."""
    said = "".join(
        f' {name.rstrip("_").replace("_", "-")}="{escape(_visible(str(value)), quote=True)}"'
        for name, value in attributes.items()
        if value is not None
    )
    inner = text(list(children))
    if not inner and tag in VOID:
        return Raw(f"<{tag}{said}/>" if tag in ("path", "line", "rect", "circle") else f"<{tag}{said}>")
    return Raw(f"<{tag}{said}>{inner}</{tag}>")


def table(
    columns: list[str],
    rows: Sequence[Sequence[object]],
    *,
    caption: str,
    numeric: Collection[int] = (),
    heads: bool = True,
) -> Raw:
    """A table with a caption and header cells, in a box that scrolls sideways where the page is narrow.

    ``rows`` hold strings or elements; columns in ``numeric`` are aligned right. With
    ``heads`` the first cell heads its row.
    """
    head = element(
        "tr",
        [
            element("th", c, scope="col", class_="num" if i in numeric else None)
            for i, c in enumerate(columns)
        ],
    )
    body = []
    for row in rows:
        cells = []
        for i, value in enumerate(row):
            css = "num" if i in numeric else None
            if isinstance(value, Raw) and value.startswith(("<td", "<th")):
                cells.append(value)
            elif i == 0 and heads:
                cells.append(element("th", value, scope="row", class_=css))
            else:
                cells.append(element("td", value, class_=css))
        body.append(element("tr", cells))
    whole = element("table", element("thead", head), element("tbody", body), aria_label=caption)
    # The caption stands outside, so that it does not scroll away with a wide table.
    return element(
        "figure",
        element("figcaption", caption),
        element("div", whole, class_="scroll", tabindex="0", role="region", aria_label=caption),
    )
