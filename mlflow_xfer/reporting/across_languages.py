"""Sections of the report page on languages: scores and gains in each, what they go with, how they vary."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from mlflow_xfer.errors import XferError
from mlflow_xfer.reporting import answer as answers
from mlflow_xfer.reporting import charts
from mlflow_xfer.reporting.analysis import DETAILED, Analysis, distance_points
from mlflow_xfer.reporting.by_task import Finding
from mlflow_xfer.reporting.drawing import shorten
from mlflow_xfer.reporting.hypertext import Raw, element, table
from mlflow_xfer.reporting.parts import (
    COLUMNS,
    box,
    interval,
    language_name,
    numbers_behind,
    paragraph,
    records,
    section,
)
from mlflow_xfer.reporting.same_task import STATUS
from mlflow_xfer.reporting.verdict import p_text, points
from mlflow_xfer.stats.left_out import of_covariates


def heat_map(analysis: Analysis, which: str) -> Raw:
    which_table = f"by_{which}"
    frame = getattr(analysis, which_table)
    base = analysis.baseline
    names = [*([base] if base else []), *analysis.ranked][:COLUMNS]
    gaps = analysis.differences(which_table)
    own = set(zip(analysis.own["condition"], analysis.own["task"], strict=True)) if which == "task" else ()
    widest = float(gaps.abs().max().max()) if base else 0.0
    rows: list[list[object]] = []
    values: Any
    for code, values in frame[names].iterrows():
        label = f"{code} (base-seen)" if code in analysis.base_seen else code
        row: list[object] = [language_name(str(code)) if which == "language" else label]
        for name in names:
            gap: Any = gaps.at[code, name]
            shown = points(values[name]) if name == base or not base else points(gap, True)
            shown = STATUS if (name, code) in own else shown
            row.append(element("td", shown, class_="num", style=f"background:{charts.tint(gap, widest)}"))
        rows.append(row)
    apart = [
        f"{name}: to {analysis.against[name]}" for name in names if analysis.against.get(name, base) != base
    ]
    what = f"{base}: mean score; other columns: difference to {base} in points" if base else "mean scores"
    what += f" ({'; '.join(apart)})" if apart else ""
    note = (
        paragraph(f"The first {COLUMNS} of {len(frame.columns)} conditions.")
        if len(frame.columns) > COLUMNS
        else None
    )
    shown = table(
        [which, *names],
        rows,
        caption=f"By {which}. {what} (blue above, orange below)",
        numeric=set(range(1, len(names) + 1)),
    )
    return element("div", shown, note)


def cells_section(analysis: Analysis) -> Raw:
    return section(
        "Languages and tasks",
        *gains(analysis),
        heat_map(analysis, "language"),
        heat_map(analysis, "task"),
        name="cells",
    )


def gains(analysis: Analysis) -> list[Raw]:
    """For the best conditions: how sure it is of each language that it gains, task by task."""
    best = [one.condition for one in analysis.contrasts if one.baseline == analysis.baseline][:DETAILED]
    found = [own for name in best if (own := answers.of_condition(analysis, name)) and own[0].effects]
    if not found:
        return []
    parts: list[Raw] = [
        paragraph(
            "Differences of single languages are noisy: they are drawn to their task's mean by the share "
            "that is noise, and the intervals of a task hold for all of its languages at once (95 %). The "
            "count of languages that gain is therefore a lower bound."
        ),
        effects_table(found[0], "estimate"),
    ]
    parts += [
        numbers_behind(f"{own[0].contrast.condition}: drawn to the mean", effects_table(own, "estimate"))
        for own in found[1:]
    ]
    parts += [
        numbers_behind(f"{own[0].contrast.condition}: raw, not drawn to the mean", effects_table(own, "raw"))
        for own in found
    ]
    return parts


def effects_table(own: list[Finding], which: str) -> Raw:
    """Languages by tasks: each difference with its joint interval."""
    tables = {f.task: f.effects.table.set_index("language") for f in own if f.effects is not None}
    rows: list[list[object]] = []
    for code in dict.fromkeys(code for one in tables.values() for code in one.index):
        row: list[object] = [language_name(str(code))]
        for one in tables.values():
            if code not in one.index:
                row.append("–")
                continue
            cell: Any = one.loc[code]
            sure = cell["low"] > 0 or cell["high"] < 0
            shown = answers.bracketed(cell[which], cell["low"], cell["high"])
            row.append(element("td", element("b", shown) if sure else shown, class_="num"))
        rows.append(row)
    one = own[0].contrast
    kind = "" if which == "estimate" else ", raw"
    return table(
        ["language", *tables],
        rows,
        caption=f"{one.condition} against {one.baseline}, by language{kind} (bold: told from 0)",
        numeric=set(range(1, len(tables) + 1)),
    )


def typology(analysis: Analysis) -> Raw | None:
    if not analysis.slopes:
        return None
    name, curve = next(iter(analysis.slopes.items()))
    codes, x, y = distance_points(analysis, name)
    base = analysis.against.get(name)
    compared = f"{name} against {base}" if base else name
    what = f"difference of {shorten(name, 24)} to {shorten(base, 18)}" if base else "score"
    primary = curve[curve["primary"]].iloc[0]
    chart = charts.scatter(
        codes,
        x,
        y,
        float(primary["slope"]),
        across=f"{analysis.measure} distance to English",
        up=f"{what} (points)",
    )
    sign = (
        f"{points(primary['slope'], True)} points per standard deviation of distance (95 % interval "
        f"{interval(primary['low'], primary['high'], True)}, p {p_text(primary['p'])}, "
        f"{int(primary['languages'])} languages)"
    )
    weak = (
        ""
        if primary["p"] <= 0.05
        else " Not enough power to say more: such a design finds a slope of "
        f"{points(primary['detectable'])} in 8 of 10 cases."
    )
    rows = [
        [
            f"{r.measure} (primary)" if r.primary else r.measure,
            r.languages,
            points(r.slope, True),
            interval(r.low, r.high, True),
            p_text(r.p),
            p_text(r.p_holm),
            r.note,
        ]
        for r in records(curve)
    ]
    spec = table(
        ["distance", "languages", "slope", "95 % interval", "p", "corrected p", "note"],
        rows,
        caption=f"{compared}: every distance (points per sd)",
        numeric={1, 2, 3, 4, 5},
    )
    points_table = table(
        ["language", "distance", "difference" if base else "score"],
        [[language_name(c), f"{a:.3f}", points(b, bool(base))] for c, a, b in zip(codes, x, y, strict=True)],
        caption="Points of the chart, adjusted like the slope for which tasks cover which languages",
        numeric={1, 2},
    )
    text = paragraph(
        f"{compared}: {sign}.{weak} One distance ({analysis.measure}) is primary; the others show how much "
        "hangs on that choice: they measure different things and rest on different languages."
    )
    return section(
        "Typological distance",
        box(chart, "distance"),
        text,
        _left_out(codes, x, y) if base else None,
        spec,
        numbers_behind("Numbers behind the chart", points_table),
        name="typology",
    )


def _left_out(codes: Sequence[str], x: np.ndarray, y: np.ndarray) -> Raw | None:
    """Whether the distance foretells languages that were left out; nothing where they are too few."""
    try:
        found = of_covariates(dict(zip(codes, y, strict=True)), dict(zip(codes, x[:, None], strict=True)))
    except XferError:
        return None
    return paragraph(found.sentence)


def variance(analysis: Analysis) -> Raw | None:
    if not analysis.components:
        return None
    name, parts = next(iter(analysis.components.items()))
    shown = parts.sort_values("sd", ascending=False)
    chart = charts.bars(
        list(shown["source"].str.replace("_", " ")),
        list(shown["sd"]),
        across=f"standard deviation in points ({shorten(name)})",
    )
    rows = [
        [n, s.replace("_", " "), f"{df:g}", f"{sd:.2f}", f"{share:.0%}"]
        for n, t in analysis.components.items()
        for s, df, sd, share in zip(t["source"], t["df"], t["sd"], t["share"], strict=True)
    ]
    whole = table(
        ["condition", "source", "df", "sd", "share"],
        rows,
        caption="Variance components (0 = too small to tell)",
        numeric={2, 3, 4},
    )
    return section(
        "Where the variation comes from",
        box(chart, "variance components"),
        paragraph(
            "Scores of one condition vary by seed, language and task. The part with test noise is what one "
            "run on one test set cannot resolve."
        ),
        numbers_behind("All components", whole),
        name="variance",
    )


def inequality(analysis: Analysis) -> Raw | None:
    if analysis.spreads.empty:
        return None
    columns = ["condition", "task", "languages", "tau", "sd", "iqr", "min", "worst_mean", "gini", "gap"]
    rows = [
        [
            *(str(r[c]) for c in columns[:3]),
            *(
                f"{r[c]:.3f}" if c in ("tau", "gini") and math.isfinite(r[c]) else points(r[c])
                for c in columns[3:]
            ),
        ]
        for _, r in analysis.spreads.iterrows()
    ]
    head = ["condition", "task", "languages", "τ", "sd", "IQR", "lowest", "worst 3", "Gini", "en − others"]
    whole = table(
        head,
        rows,
        caption="Spread across languages without English. τ: sd on logit scale, test noise removed",
        numeric=set(range(2, 10)),
    )
    parts: list[object] = [
        paragraph(
            "τ is primary: the plain sd of scores contains test noise and shrinks as scores approach 100."
        )
    ]
    for r in records(analysis.ratios):
        ends = f"95 % interval {r.low:.2f} to {r.high:.2f}" if math.isfinite(r.low) else "no interval"
        parts.append(
            paragraph(
                f"{r.condition}: τ is {r.ratio:.2f} times that of {analysis.baseline} ({ends}, "
                f"p {p_text(r.p)} by swapping within languages)."
            )
        )
    return section(
        "Inequality between languages", *parts, numbers_behind("All measures", whole), name="inequality"
    )
