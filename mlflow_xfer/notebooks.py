"""What a notebook shows of plans, results and reports (``_repr_html_``)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape


def table(head: Sequence[str], rows: Iterable[Sequence[object]], lines: Iterable[str] = ()) -> str:
    """A table, and lines of text under it; nothing of either is taken for markup."""
    import pandas as pd

    frame = pd.DataFrame([list(row) for row in rows], columns=list(head))
    under = "".join(f"<p>{escape(line)}</p>" for line in lines if line)
    return frame.to_html(index=False, escape=True, na_rep="", border=0) + under


def page(html: str, link: str = "") -> str:
    """A page of its own in a frame, so that its style and the notebook's stay apart."""
    style = "width:100%;height:40em;border:1px solid #ccc"
    frame = f'<iframe srcdoc="{escape(html)}" style="{style}" sandbox="" title="report"></iframe>'
    return frame + (f"<p>{escape(link)}</p>" if link else "")
