"""The sections of the report page: each takes an analysis and returns markup, or nothing
where it has nothing to say."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from mlflow_xfer import languages
from mlflow_xfer.reporting import answer as answers
from mlflow_xfer.reporting import charts
from mlflow_xfer.reporting.analysis import DETAILED, Analysis, differences_table, distance_points, seeds_of
from mlflow_xfer.reporting.by_task import Finding
from mlflow_xfer.reporting.hypertext import Raw, element, table
from mlflow_xfer.reporting.same_task import STATUS
from mlflow_xfer.reporting.verdict import REGISTERED, UNDECIDED, p_text, points, sentence
from mlflow_xfer.stats.estimate import THESE

COLUMNS = 12  # conditions shown side by side; all are in the tables that come with the report
ROWS = 40  # conditions in the forest plot
LISTED, CUT = 12, 4  # languages named in the answer, and how many of them from the lower end


def section(title: str, *children: object, name: str) -> Raw:
    return element("section", element("h2", title, id=name), *children, aria_labelledby=name)


def paragraph(*children: object) -> Raw:
    return element("p", *children)


def numbers_behind(title: str, content: Raw) -> Raw:
    return element("details", element("summary", title), content)


def answer(analysis: Analysis, title: str = "Answer") -> Raw:
    """The verdict in two lines, the languages behind it, every condition in one table; then the verdict in
    sentences, and how far they reach."""
    return section(
        title,
        paragraph(f"{answers.headline(analysis)}."),
        paragraph(answers.second_line(analysis)),
        leading_languages(analysis),
        conditions_table(analysis),
        *(paragraph(text) for text in answer_texts(analysis)),
        name="answer",
    )


def leading_languages(analysis: Analysis) -> Raw | None:
    """The languages of the task that the answer names, each with its joint interval."""
    found = answers.lead(analysis)
    if found is None or found.effects is None:
        return None
    rows = list(records(found.effects.table))
    shown = rows if len(rows) <= LISTED else [*rows[: LISTED - CUT], None, *rows[-CUT:]]
    items = [
        element("li", f"… {len(rows) - LISTED} between, all below …")
        if row is None
        else element(
            "li",
            element("span", languages.get(row.language).name, title=row.language),
            element(
                "b" if row.low > 0 or row.high < 0 else "span",
                answers.bracketed(row.estimate, row.low, row.high),
            ),
        )
        for row in shown
    ]
    one = found.contrast
    what = f"{one.condition} on {found.task}, points against {one.baseline} by language, 95 % joint intervals"
    return element(
        "figure", element("figcaption", what), element("ul", items, class_="languages"), class_="compact"
    )


def conditions_table(analysis: Analysis) -> Raw | None:
    """Every condition: its difference on average and on each task."""
    if not analysis.contrasts:
        return None
    head, rows = answers.by_condition(analysis)
    kept = rows if len(rows) <= COLUMNS else [*rows[: COLUMNS - 1], rows[-1]]
    cut = f" (the first {COLUMNS} of {len(rows)})" if len(rows) > COLUMNS else ""
    shown = table(
        head,
        kept,
        caption=f"Difference in points with 95 % interval{cut}",
        numeric=set(range(1, len(head) - 2)),
    )
    return element("div", shown, class_="compact")


def answer_texts(analysis: Analysis) -> list[str]:
    """The answer as plain sentences: registered contrasts, else the best condition."""
    if not analysis.contrasts:
        name, mean = next(iter(analysis.means.items()))
        where = f"{mean.n['tasks']} tasks and {mean.n['languages']} languages"
        interval = (
            f", 95 % interval {points(mean.low)} to {points(mean.high)}" if math.isfinite(mean.low) else ""
        )
        return [
            f"{name} scores {points(mean.estimate)} on average over {where} "
            f"({mean.n['seeds']} seeds{interval}).",
            "There is no second condition to compare it with.",
        ]
    best = answers.primary(analysis)
    primary = [one for one in analysis.contrasts if one.status == REGISTERED] or ([best] if best else [])
    texts = [sentence(one) for one in primary]
    others = [one for one in analysis.contrasts if one not in primary]
    if others:
        tally = {
            v: sum(one.verdict == v for one in others) for v in dict.fromkeys(one.verdict for one in others)
        }
        texts.append(
            f"Of {len(others)} further {'condition' if len(others) == 1 else 'conditions'}: "
            + ", ".join(f"{n} {v}" for v, n in tally.items())
            + " (corrected together)."
        )
    if primary[0].status != REGISTERED and len(analysis.contrasts) > 1:
        texts.append(
            "The condition named first is the best of those compared: its difference looks larger than it "
            "will on fresh seeds. Confirm it there."
        )
    return texts


def differences(analysis: Analysis) -> Raw | None:
    frame = differences_table(analysis)
    rows = [
        [
            r.condition,
            points(r.difference, True),
            _interval(r.low, r.high, True),
            p_text(r.p_corrected),
            _verdict(r.verdict),
            points(r.mean),
            _interval(r.mean_low, r.mean_high),
            p_text(r.p),
            r.status,
            r.seeds,
        ]
        for r in records(frame)
    ]
    against = f"difference to {analysis.baseline}" if analysis.baseline else "difference"
    columns = [
        "condition",
        against,
        "95 % interval",
        "corrected p",
        "verdict",
        "mean",
        "mean’s interval",
        "p",
        "status",
        "seeds",
    ]
    shown = table(
        columns,
        rows,
        caption=f"Mean scores (0–100) and differences, {analysis.population}",
        numeric={1, 2, 3, 5, 6, 7, 9},
    )
    if not analysis.contrasts:
        return section("Scores", shown, name="differences")
    cut = analysis.contrasts[:ROWS]
    note = (
        paragraph(f"The chart shows the first {ROWS} of {len(analysis.contrasts)} conditions.")
        if len(analysis.contrasts) > ROWS
        else None
    )
    key = paragraph(
        "▲ better, ▼ worse, = equivalent, ? not enough power. The interval of each line is for that "
        "comparison alone; the verdict uses the corrected p."
    )
    return section(
        "Differences to the baseline",
        box(charts.forest(cut), "differences to the baseline"),
        key,
        note,
        shown,
        name="differences",
    )


def same_task(analysis: Analysis) -> Raw | None:
    """Targets whose own task a condition was trained on before."""
    if analysis.own.empty:
        return None
    rows = [
        [r.condition, r.task, r.intermediate, points(r.mean), points(r.difference, True)]
        for r in records(analysis.own)
    ]
    shown = table(
        ["condition", "task", "intermediate", "mean", "raw difference"],
        rows,
        caption="Same task: the target, or its training or dev rows, were trained on before",
        numeric={3, 4},
    )
    said = "More training on the target is no help of another task: these stand in no average and comparison."
    return section("Same task", paragraph(said), shown, name="same_task")


def _interval(low: float, high: float, signed: bool = False) -> str:
    return f"{points(low, signed)} to {points(high, signed)}" if math.isfinite(low) else "–"


def _verdict(verdict: str) -> Raw:
    colour = charts.COLOURS.get(verdict, charts.INK)
    return element(
        "td", f"{charts.MARKS.get(verdict, '')} {verdict}".strip(), class_="verdict", style=f"color:{colour}"
    )


def records(frame: pd.DataFrame) -> Iterator[Any]:
    """The rows of a frame, with its columns as attributes."""
    yield from frame.itertuples(index=False)


def box(drawing: Raw, name: str) -> Raw:
    """A drawing that scrolls sideways where the page is narrow, instead of shrinking its letters."""
    return element("div", drawing, class_="scroll", tabindex="0", role="region", aria_label=f"Chart: {name}")


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
        row: list[object] = [_language(str(code)) if which == "language" else label]
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


def _language(code: str) -> str:
    found = languages.get(code)
    return f"{found.name} ({code})"


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
        row: list[object] = [_language(str(code))]
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
    what = (
        f"difference of {charts.shorten(name, 24)} to {charts.shorten(analysis.baseline, 18)}"
        if analysis.baseline
        else "score"
    )
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
        f"{_interval(primary['low'], primary['high'], True)}, p {p_text(primary['p'])}, "
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
            _interval(r.low, r.high, True),
            p_text(r.p),
            p_text(r.p_holm),
            r.note,
        ]
        for r in records(curve)
    ]
    spec = table(
        ["distance", "languages", "slope", "95 % interval", "p", "corrected p", "note"],
        rows,
        caption=f"{name}: every distance (points per sd)",
        numeric={1, 2, 3, 4, 5},
    )
    points_table = table(
        ["language", "distance", "difference"],
        [[_language(c), f"{a:.3f}", points(b, True)] for c, a, b in zip(codes, x, y, strict=True)],
        caption="Points of the chart",
        numeric={1, 2},
    )
    text = paragraph(
        f"{name}: {sign}.{weak} One distance ({analysis.measure}) is primary; the others show how much hangs "
        "on that choice: they measure different things and rest on different languages."
    )
    return section(
        "Typological distance",
        box(chart, "distance"),
        text,
        spec,
        numbers_behind("Numbers behind the chart", points_table),
        name="typology",
    )


def variance(analysis: Analysis) -> Raw | None:
    if not analysis.components:
        return None
    name, parts = next(iter(analysis.components.items()))
    shown = parts.sort_values("sd", ascending=False)
    chart = charts.bars(
        list(shown["source"].str.replace("_", " ")),
        list(shown["sd"]),
        across=f"standard deviation in points ({charts.shorten(name)})",
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
        parts.append(
            paragraph(
                f"{r.condition}: τ is {r.ratio:.2f} times that of {analysis.baseline} (95 % interval "
                f"{r.low:.2f} to {r.high:.2f}, p {p_text(r.p)} by swapping within languages)."
            )
        )
    return section(
        "Inequality between languages", *parts, numbers_behind("All measures", whole), name="inequality"
    )


def cost(costs: pd.DataFrame | None) -> Raw | None:
    if costs is None or costs.empty:
        return None
    groups = costs.groupby("phase", sort=False).agg(
        runs=("phase", "size"), steps=("steps", "sum"), tokens=("tokens", "sum"), seconds=("seconds", "sum")
    )
    groups.loc["all"] = groups.sum()
    rows = [
        [phase, int(r.runs), f"{r.steps:,.0f}", f"{r.tokens / 1e6:,.2f}", f"{r.seconds / 3600:.2f}"]
        for phase, r in groups.iterrows()
    ]
    shown = table(
        ["phase", "runs", "steps", "million tokens", "hours"],
        rows,
        caption="Every phase once, however many conditions use it; hours of wall clock",
        numeric={1, 2, 3, 4},
    )
    return section("Cost", shown, name="cost")


def imported(analysis: Analysis) -> Raw | None:
    if analysis.imported.empty:
        return None
    means = (
        analysis.imported.groupby(["condition", "task"], sort=False)["score"]
        .agg(["mean", "size"])
        .reset_index()
    )
    sources = ", ".join(sorted(set(analysis.imported.get("source", pd.Series(dtype=str)).dropna())))
    rows = [[r.condition, r.task, points(r.mean), r.size] for r in records(means)]
    shown = table(
        ["condition", "task", "mean", "languages"],
        rows,
        caption=f"Earlier results, imported{f' from {sources}' if sources else ''}",
        numeric={2, 3},
    )
    return section(
        "Earlier results",
        paragraph("Shown for orientation, not tested: one published number has no seeds."),
        shown,
        name="imported",
    )


def protocol(analysis: Analysis, more: Mapping[str, str]) -> Raw:
    frame = analysis.frame
    single = lambda column: (  # noqa: E731
        ", ".join(sorted(map(str, frame[column].dropna().unique()))) if column in frame else ""
    )
    bases = max(len(block.bases) for block in analysis.blocks.values())
    first = max(analysis.blocks.values(), key=lambda block: len(block.units))
    facts = {
        "Suite": single("suite"),
        "Tasks": ", ".join(first.tasks),
        "Languages": f"{len(first.languages)}: {', '.join(first.languages)}",
        "Metrics": single("metric"),
        "Selection of checkpoints": single("protocol") or "not recorded",
        "Base model": single("base_model"),
        "Replicates": "; ".join(
            f"{name}: {seeds_of(frame, name)}" for name in list(analysis.blocks)[:COLUMNS]
        )
        + (" …" if len(analysis.blocks) > COLUMNS else ""),
        "Conditional on": "one base checkpoint"
        if bases == 1
        else f"{bases} base checkpoints taken as a sample",
        "Population": analysis.population,
        "Averages": "mean over tasks of the mean over languages",
        "Margin": f"{analysis.margin:g} {'point' if analysis.margin == 1 else 'points'}: "
        "the smallest difference that matters",
        "Correction": "Holm within the pre-registered and within the exploratory comparisons",
        "Method": "; ".join(dict.fromkeys(one.method for one in analysis.contrasts))
        or next(iter(analysis.means.values())).method,
        **more,
    }
    rows = [[name, value] for name, value in facts.items() if value]
    return section(
        "Protocol", table(["what", "how"], rows, caption="How these numbers were made"), name="protocol"
    )


def limits(analysis: Analysis) -> Raw:
    notes = [*dict.fromkeys(note for one in analysis.contrasts for note in one.notes)]
    notes += analysis.gaps
    notes += [
        f"{task} is base-seen: the base model's makers trained it on such data ({what}); its scores say "
        "little of a model of raw text alone"
        for task, what in analysis.base_seen.items()
    ]
    if analysis.contrasts and all(one.status != REGISTERED for one in analysis.contrasts):
        notes.append("No comparison was registered before the first run: everything here is exploratory")
    if any(one.verdict == UNDECIDED for one in analysis.contrasts):
        notes.append("“Not enough power” is not “no effect”: the interval says which effects remain possible")
    if analysis.population == THESE:
        notes.append(
            "Statements hold for these languages and test sets, over new seeds; not for other languages"
        )
    notes += [
        f"Ratio of τ: {note}"
        for note in dict.fromkeys("; ".join(analysis.ratios.get("notes", [])).split("; "))
        if note
    ]
    return section("Limits", element("ul", [element("li", note) for note in notes]), name="limits")


def reproduce(lines: list[str], versions: Mapping[str, str]) -> Raw:
    said = ", ".join(f"{name} {version}" for name, version in versions.items())
    return section(
        "How to reproduce",
        element("pre", "\n".join(lines), tabindex="0"),
        paragraph(f"Computed with {said}."),
        name="reproduce",
    )
