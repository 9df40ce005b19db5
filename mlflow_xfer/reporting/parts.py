"""What the sections of the report page are made of."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import pandas as pd

from mlflow_xfer import languages
from mlflow_xfer.reporting import charts
from mlflow_xfer.reporting.drawing import INK
from mlflow_xfer.reporting.hypertext import Raw, element
from mlflow_xfer.reporting.verdict import points

COLUMNS = 12  # conditions shown side by side; all are in the tables that come with the report


def section(title: str, *children: object, name: str) -> Raw:
    return element("section", element("h2", title, id=name), *children, aria_labelledby=name)


def paragraph(*children: object) -> Raw:
    return element("p", *children)


def numbers_behind(title: str, content: Raw) -> Raw:
    return element("details", element("summary", title), content)


def records(frame: pd.DataFrame) -> Iterator[Any]:
    """The rows of a frame, with its columns as attributes."""
    yield from frame.itertuples(index=False)


def box(drawing: Raw, name: str) -> Raw:
    """A drawing that scrolls sideways where the page is narrow, instead of shrinking its letters."""
    return element("div", drawing, class_="scroll", tabindex="0", role="region", aria_label=f"Chart: {name}")


def interval(low: float, high: float, signed: bool = False) -> str:
    return f"{points(low, signed)} to {points(high, signed)}" if math.isfinite(low) else "–"


def verdict_cell(verdict: str) -> Raw:
    colour = charts.COLOURS.get(verdict, INK)
    return element(
        "td", f"{charts.MARKS.get(verdict, '')} {verdict}".strip(), class_="verdict", style=f"color:{colour}"
    )


def language_name(code: str) -> str:
    found = languages.get(code)
    return f"{found.name} ({code})"
