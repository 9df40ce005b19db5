"""What charts are drawn with, as inline SVG: a drawing with title and description, texts, lines, ticks."""

from __future__ import annotations

import math
from zlib import crc32

from mlflow_xfer.reporting.hypertext import Raw, element

INK, GRID, BAND = "#222222", "#D0D0D0", "#EEF1F4"
LETTER = 7
"""Width of a letter of size 12, on average, in pixels."""


def svg(width: float, height: float, title: str, description: str, *children: object) -> Raw:
    """A drawing that scales to its box, with title and description."""
    number = crc32(f"{title}\n{description}".encode())  # the same report has the same bytes
    names = (f"chart{number:x}-title", f"chart{number:x}-desc")
    return element(
        "svg",
        element("title", title, id=names[0]),
        element("desc", description, id=names[1]),
        *children,
        viewBox=f"0 0 {width:.0f} {height:.0f}",
        role="img",
        aria_labelledby=" ".join(names),
        class_="chart",
        style=f"max-width:{width:.0f}px",
    )


def standing_alone(drawing: Raw) -> Raw:
    """A drawing as a file of its own, on white."""
    return Raw(
        drawing.replace(
            "<svg ", '<svg xmlns="http://www.w3.org/2000/svg" font-family="sans-serif" ', 1
        ).replace("</desc>", '</desc><rect width="100%" height="100%" fill="#FFFFFF"/>', 1)
    )


def label(
    x: float,
    y: float,
    content: object,
    *,
    anchor: str = "start",
    size: float = 13,
    colour: str = INK,
    bold: bool = False,
) -> Raw:
    return element(
        "text",
        content,
        x=f"{x:.1f}",
        y=f"{y:.1f}",
        text_anchor=anchor,
        font_size=size,
        fill=colour,
        font_weight="600" if bold else None,
    )


def line(
    x1: float, y1: float, x2: float, y2: float, colour: str = INK, width: float = 1.0, dash: str | None = None
) -> Raw:
    return element(
        "line",
        x1=f"{x1:.1f}",
        y1=f"{y1:.1f}",
        x2=f"{x2:.1f}",
        y2=f"{y2:.1f}",
        stroke=colour,
        stroke_width=width,
        stroke_dasharray=dash,
    )


def ticks(low: float, high: float, about: int = 6) -> list[float]:
    """Round numbers between two bounds, about this many."""
    if not high > low:
        return [low]
    raw = (high - low) / about
    step = 10 ** math.floor(math.log10(raw))
    step *= next(m for m in (1, 2, 5, 10) if m * step >= raw)
    return [i * step for i in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]


def tick_text(value: float) -> str:
    return f"{value:.10g}".replace("-", "−")


SMALLEST = 9
"""The size of the smallest letters that can be read."""


def shorten(name: str, at_most: int = 34) -> str:
    return name if len(name) <= at_most else name[: at_most - 1] + "…"


def name_label(x: float, y: float, name: str, size: float = 13) -> Raw:
    """A name that ends at ``x`` and begins within the frame: a long one is set smaller, then cut."""
    letter = LETTER / 12
    size = max(SMALLEST, min(size, int(x / (letter * max(len(name), 1)))))
    return label(x, y, shorten(name, int(x / (letter * size))), anchor="end", size=size)
