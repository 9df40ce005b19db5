"""What a notebook shows of plans, results and reports (``_repr_html_``)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape


def table(
    head: Sequence[str], rows: Iterable[Sequence[object]], under: Iterable[str] = (), title: str = ""
) -> str:
    """A table, a title above it and lines of text under it; nothing of them is taken for markup."""
    import pandas as pd

    frame = pd.DataFrame([list(row) for row in rows], columns=list(head))
    shown = frame.to_html(index=False, escape=True, na_rep="", border=0)
    return lines([title]) + shown + lines(under)


def lines(texts: Iterable[str]) -> str:
    """Paragraphs of text; empty ones are left out."""
    return "".join(f"<p>{escape(text)}</p>" for text in texts if text)


def page(html: str, link: str = "") -> str:
    """A page of its own in a frame, so that its style and the notebook's stay apart."""
    style = "width:100%;height:40em;border:1px solid #ccc"
    frame = f'<iframe srcdoc="{escape(html)}" style="{style}" sandbox="" title="report"></iframe>'
    return frame + lines([link])
