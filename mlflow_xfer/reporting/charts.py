"""Charts as inline SVG: no script, no font and no picture is loaded; colours can be told apart by
colour-blind readers (Okabe & Ito).

Every chart carries a title and a description for screen readers; the numbers behind
it stand in a table beside it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd

from mlflow_xfer import languages
from mlflow_xfer.reporting.drawing import (
    BAND,
    GRID,
    INK,
    LETTER,
    label,
    line,
    name_label,
    shorten,
    svg,
    tick_text,
    ticks,
)
from mlflow_xfer.reporting.hypertext import Raw, element
from mlflow_xfer.reporting.verdict import BETTER, EQUIVALENT, UNDECIDED, WORSE, Contrast, points
from mlflow_xfer.stats.estimate import varies

COLOURS = {BETTER: "#0072B2", WORSE: "#B34700", EQUIVALENT: "#00664A", UNDECIDED: "#595959"}
OWN = "its own baseline"
MARKS = {BETTER: "▲", WORSE: "▼", EQUIVALENT: "=", UNDECIDED: "?"}


def forest(contrasts: Sequence[Contrast]) -> Raw:
    """Differences to the baseline, or each to its own, with their intervals; the margin is shaded."""
    left, right, row, top = 240, 760, 30, 34
    margin, mixed = contrasts[0].margin, len({c.baseline for c in contrasts}) > 1
    beside = OWN if mixed else shorten(contrasts[0].baseline)
    # A condition with three seeds can have an interval of ±100: it is cut at the frame, with an arrow,
    # so that the others can be read.
    ends = sorted(abs(v) for c in contrasts for v in (c.low, c.high, c.estimate) if math.isfinite(v))
    widest = (
        max(
            [
                1.6 * margin,
                *(1.15 * abs(c.estimate) for c in contrasts),
                min(ends[-1], 3 * ends[len(ends) // 2]),
            ]
        )
        * 1.05
    )
    height = top + row * len(contrasts) + 48
    at = lambda v: left + (np.clip(v, -widest, widest) + widest) / (2 * widest) * (right - left)  # noqa: E731
    bottom = top + row * len(contrasts)
    marks: list[object] = [
        element(
            "rect",
            x=f"{at(-margin):.1f}",
            y=top - 6,
            width=f"{at(margin) - at(-margin):.1f}",
            height=bottom - top + 6,
            fill=BAND,
        ),
        label(at(0), top - 14, f"margin ±{margin:g}", anchor="middle", size=12),
    ]
    for tick in ticks(-widest, widest):
        marks += [
            line(at(tick), top - 6, at(tick), bottom, GRID),
            label(at(tick), bottom + 18, tick_text(tick), anchor="middle", size=12),
        ]
    marks += [
        line(at(0), top - 6, at(0), bottom, INK, 1.5),
        label((left + right) / 2, bottom + 38, f"points against {beside}", anchor="middle"),
    ]
    for i, one in enumerate(contrasts):
        y, colour = top + row * (i + 0.5), COLOURS[one.verdict]
        marks += _named(left - 12, y, one, apart=mixed)
        if math.isfinite(one.low):
            marks.append(line(at(one.low), y, at(one.high), y, colour, 2.5))
            for end, cut in ((one.low, one.low < -widest), (one.high, one.high > widest)):
                tip = 5 if end == one.high else -5
                ending = [
                    line(at(end), y, at(end) - tip * 1.6, y - 5, colour, 2),
                    line(at(end), y, at(end) - tip * 1.6, y + 5, colour, 2),
                ]
                marks += ending if cut else [line(at(end), y - 5, at(end), y + 5, colour, 2)]
        marks += [
            element("circle", cx=f"{at(one.estimate):.1f}", cy=f"{y:.1f}", r=5, fill=colour),
            label(
                right + 10,
                y + 4,
                f"{points(one.estimate, True)} {MARKS[one.verdict]}",
                colour=colour,
                bold=True,
            ),
        ]
    said = "; ".join(
        f"{c.condition}{f' against {c.baseline}' if mixed else ''}: {points(c.estimate, True)}, {c.shown}"
        for c in contrasts
    )
    title = f"Differences, each to {OWN}" if mixed else f"Differences to {contrasts[0].baseline}"
    return svg(840, height, title, said, *marks)


def _named(x: float, y: float, one: Contrast, *, apart: bool) -> list[Raw]:
    """The name of a row that ends at ``x``, with its own baseline below it where ``apart``."""
    if not apart:
        return [name_label(x, y + 4, one.condition)]
    return [
        name_label(x, y - 2, one.condition),
        name_label(x, y + 10, f"against {one.baseline}", size=11),
    ]


def scatter(codes: Sequence[str], x: np.ndarray, y: np.ndarray, slope: float, *, across: str, up: str) -> Raw:
    """One labelled point per language, and the fitted line (``slope`` in units of y per sd of x)."""
    left, right, top, bottom = 64, 740, 20, 360
    pad = lambda v: 0.08 * (float(np.ptp(v)) if varies(float(np.ptp(v)), v.mean()) else 1.0)  # noqa: E731
    x_low, x_high, y_low, y_high = x.min() - pad(x), x.max() + pad(x), y.min() - pad(y), y.max() + pad(y)
    if max(y_high, -y_low) < 4 * (
        y_high - y_low
    ):  # 0 is shown unless it would squeeze the points into a strip
        y_low, y_high = min(y_low, 0), max(y_high, 0)
    across_at = lambda v: left + (v - x_low) / (x_high - x_low) * (right - left)  # noqa: E731
    up_at = lambda v: bottom - (v - y_low) / (y_high - y_low) * (bottom - top)  # noqa: E731
    marks: list[object] = []
    for tick in ticks(y_low, y_high):
        marks += [
            line(left, up_at(tick), right, up_at(tick), INK if tick == 0 else GRID),
            label(left - 8, up_at(tick) + 4, tick_text(tick), anchor="end", size=12),
        ]
    for tick in ticks(x_low, x_high):
        marks += [
            line(across_at(tick), bottom, across_at(tick), bottom + 5),
            label(across_at(tick), bottom + 20, tick_text(tick), anchor="middle", size=12),
        ]
    if math.isfinite(slope) and np.ptp(x) > 0:
        per_unit = slope / x.std(ddof=1)
        ends = [y.mean() + per_unit * (v - x.mean()) for v in (x.min(), x.max())]
        marks.append(
            line(across_at(x.min()), up_at(ends[0]), across_at(x.max()), up_at(ends[1]), "#B34700", 2, "6 4")
        )
    placed: list[tuple[float, float]] = []
    for code, one_x, one_y in sorted(zip(codes, x, y, strict=True), key=lambda item: item[1]):
        px, py = across_at(one_x), up_at(one_y)
        marks.append(
            element("circle", cx=f"{px:.1f}", cy=f"{py:.1f}", r=4.5, fill="#0072B2", fill_opacity=0.85)
        )
        spot = next(
            (
                (px + dx, py + dy)
                for dx, dy in ((7, 4), (7, -8), (7, 16), (-20, 4), (-20, -8), (-20, 16), (7, 26), (7, -18))
                if all(abs(px + dx - a) > 17 or abs(py + dy - b) > 11 for a, b in placed)
            ),
            (px + 7, py + 4),
        )
        placed.append(spot)
        marks.append(label(*spot, code, size=11))
    marks += [
        label((left + right) / 2, bottom + 42, across, anchor="middle"),
        element(
            "text",
            up,
            transform=f"translate(16 {(top + bottom) / 2:.0f}) rotate(-90)",
            text_anchor="middle",
            font_size=13,
            fill=INK,
        ),
    ]
    return svg(
        760, 410, f"{up} by {across}", f"{len(codes)} languages; the dashed line is the fitted slope", *marks
    )


def bars(names: Sequence[str], values: Sequence[float], *, across: str) -> Raw:
    """Horizontal bars from 0, with their values."""
    left, right, row = 330, 690, 28
    widest = max([*values, 1e-9])
    marks: list[object] = []
    for i, (name, value) in enumerate(zip(names, values, strict=True)):
        y = 10 + row * i
        width = (right - left) * value / widest
        marks += [
            name_label(left - 10, y + 16, name),
            element("rect", x=left, y=y + 3, width=f"{max(width, 1):.1f}", height=row - 9, fill="#0072B2"),
            label(left + max(width, 1) + 8, y + 16, f"{value:.2f}"),
        ]
    marks.append(label(left, 10 + row * len(names) + 18, across, size=12))
    return svg(
        760,
        10 + row * len(names) + 30,
        across,
        "; ".join(f"{n}: {v:.2f}" for n, v in zip(names, values, strict=True)),
        *marks,
    )


def tint(value: float, widest: float) -> str:
    """Cell colour of a difference: blue above 0, orange below, white at 0; light enough for black text."""
    if not math.isfinite(value) or widest <= 0:
        return "#FFFFFF"
    share = min(abs(value) / widest, 1) ** 0.8 * 0.7
    end = (0x56, 0xB4, 0xE9) if value > 0 else (0xF0, 0x9A, 0x3E)
    return "#" + "".join(f"{round(255 + (c - 255) * share):02X}" for c in end)


def heat_map(gaps: pd.DataFrame, of: str = "language") -> Raw:
    """Languages (or tasks) by conditions: each difference in its cell, blue above 0 and orange below."""
    names = [
        shorten(languages.get(str(code)).name if of == "language" else str(code), 24) for code in gaps.index
    ]
    left = max(110, 16 + LETTER * max(map(len, names), default=0))
    top, wide, high = 120, 78, 24
    widest = float(gaps.abs().max().max())
    marks: list[object] = []
    for column, name in enumerate(gaps):
        x = left + wide * (column + 0.5)
        marks.append(
            element(
                "text",
                shorten(str(name), 20),
                transform=f"translate({x:.0f} {top - 8}) rotate(-40)",
                font_size=12,
                fill=INK,
            )
        )
        for row, value in enumerate(gaps[name]):
            y = top + high * row
            marks += [
                element(
                    "rect",
                    x=left + wide * column,
                    y=y,
                    width=wide - 2,
                    height=high - 2,
                    fill=tint(value, widest),
                ),
                label(x, y + 16, points(value, True), anchor="middle", size=12),
            ]
    marks += [
        label(left - 8, top + high * row + 16, name, anchor="end", size=12) for row, name in enumerate(names)
    ]
    return svg(
        left + wide * gaps.shape[1] + 90,
        top + high * len(gaps) + 10,
        f"Differences by {of} and condition, in points",
        f"{len(gaps)} {of}s, {gaps.shape[1]} conditions",
        *marks,
    )
