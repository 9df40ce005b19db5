"""Lines over an axis, as inline SVG: random ones thin and grey, named ones in colour with their names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mlflow_xfer.reporting.columns import points
from mlflow_xfer.reporting.drawing import GRID, INK, label, line, svg, tick_text, ticks
from mlflow_xfer.reporting.hypertext import Raw, element

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#8C6D31", "#595959")
LEFT, RIGHT, TOP, BOTTOM = 64, 560, 20, 340


@dataclass(frozen=True)
class Line:
    name: str
    across: Sequence[float]
    up: Sequence[float]
    plain: bool = False


def lines(drawn: Sequence[Line], *, across: str, up: str) -> Raw:
    """One line for each; the legend names those that are not plain."""
    xs = [value for one in drawn for value in one.across]
    ys = [value for one in drawn for value in one.up]
    low, high = min(ys), max(ys)
    room = 0.08 * (high - low or 1.0)
    span = max(xs) - min(xs) or 1.0
    at = lambda x: LEFT + (x - min(xs)) / span * (RIGHT - LEFT)  # noqa: E731
    height = lambda y: BOTTOM - (y - low + room) / (high - low + 2 * room) * (BOTTOM - TOP)  # noqa: E731
    marks: list[object] = []
    for tick in ticks(low - room, high + room):
        marks += [
            line(LEFT, height(tick), RIGHT, height(tick), GRID),
            label(LEFT - 8, height(tick) + 4, tick_text(tick), anchor="end", size=12),
        ]
    for x in sorted(set(xs)):
        marks.append(label(at(x), BOTTOM + 18, tick_text(x), anchor="middle", size=12))
    colours = {one.name: COLOURS[n % len(COLOURS)] for n, one in enumerate(o for o in drawn if not o.plain)}
    for one in sorted(drawn, key=lambda one: not one.plain):
        places = [(at(x), height(y)) for x, y in zip(one.across, one.up, strict=True)]
        marks.append(
            element(
                "polyline",
                points=" ".join(f"{x:.1f},{y:.1f}" for x, y in places),
                fill="none",
                stroke=colours.get(one.name, "#B0B0B0"),
                stroke_width=1 if one.plain else 2.5,
            )
        )
    for row, (name, colour) in enumerate(colours.items()):
        y = TOP + 14 + 22 * row
        marks += [
            line(RIGHT + 16, y - 4, RIGHT + 40, y - 4, colour, 2.5),
            label(RIGHT + 46, y, name, colour=INK),
        ]
    if any(one.plain for one in drawn):
        y = TOP + 14 + 22 * len(colours)
        marks += [line(RIGHT + 16, y - 4, RIGHT + 40, y - 4, "#B0B0B0"), label(RIGHT + 46, y, "random")]
    marks += [
        label((LEFT + RIGHT) / 2, BOTTOM + 40, across, anchor="middle"),
        label(LEFT, TOP - 6, up, size=12),
    ]
    said = "; ".join(f"{one.name}: {', '.join(points(value) for value in one.up)}" for one in drawn)
    return svg(760, BOTTOM + 56, f"{up} by {across}", said, *marks)
