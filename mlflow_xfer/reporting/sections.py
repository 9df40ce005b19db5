"""The sections of the report page that answer: each takes an analysis and returns markup, or nothing
where it has nothing to say."""

from __future__ import annotations

import math

from mlflow_xfer import languages
from mlflow_xfer.reporting import answer as answers
from mlflow_xfer.reporting import charts
from mlflow_xfer.reporting.analysis import Analysis
from mlflow_xfer.reporting.conditions_table import differences_table
from mlflow_xfer.reporting.hypertext import Raw, element, table
from mlflow_xfer.reporting.parts import COLUMNS, box, interval, paragraph, records, section, verdict_cell
from mlflow_xfer.reporting.stuck import remarks
from mlflow_xfer.reporting.verdict import REGISTERED, counted, p_text, points, sentence

ROWS = 40  # conditions in the forest plot
LISTED, CUT = 12, 4  # languages named in the answer, and how many of them from the lower end


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
        where = f"{counted(mean.n, 'tasks', 'task')} and {counted(mean.n, 'languages', 'language')}"
        interval = (
            f", 95 % interval {points(mean.low)} to {points(mean.high)}" if math.isfinite(mean.low) else ""
        )
        return [
            f"{name} scores {points(mean.estimate)} on average over {where} "
            f"({counted(mean.n, 'seeds', 'seed')}{interval}).",
            "There is no second condition to compare it with.",
        ]
    best = answers.primary(analysis)
    primary = [one for one in analysis.contrasts if one.status == REGISTERED] or ([best] if best else [])
    texts = [sentence(one) for one in primary]
    others = [one for one in analysis.contrasts if one not in primary]
    if others:
        tally = {v: sum(one.shown == v for one in others) for v in dict.fromkeys(one.shown for one in others)}
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
    return texts + remarks(analysis.frame, analysis.margin)


def differences(analysis: Analysis) -> Raw | None:
    frame, mixed = differences_table(analysis), analysis.several_baselines
    rows = [
        [
            r.condition,
            *([r.against] if mixed else []),
            points(r.difference, True),
            interval(r.low, r.high, True),
            p_text(r.p_corrected),
            verdict_cell(r.verdict),
            points(r.mean),
            interval(r.mean_low, r.mean_high),
            p_text(r.p),
            r.status,
            r.seeds,
            "" if math.isnan(r.borda) else f"{r.borda:.2f}",
        ]
        for r in records(frame)
    ]
    base = "" if mixed else next((one.baseline for one in analysis.contrasts), analysis.baseline)
    columns = [
        "condition",
        *(["against"] if mixed else []),
        f"difference to {base}" if base else "difference",
        "95 % interval",
        "corrected p",
        "verdict",
        "mean",
        "mean’s interval",
        "p",
        "status",
        "seeds",
        "Borda rank",
    ]
    shown = table(
        columns,
        rows,
        caption=f"Mean scores (0–100) and differences, {analysis.population}. Borda rank: mean rank over the "
        "languages of each task, then over tasks (those that count for all); 1 is best",
        numeric={place + mixed for place in (1, 2, 3, 5, 6, 7, 9, 10)},
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
        "comparison alone, of 95 %; the verdict uses the corrected p. Equivalence is decided by the 90 % "
        "interval: it lies within the margin."
    )
    what = f"Differences, each to {charts.OWN}" if mixed else "Differences to the baseline"
    return section(
        what,
        box(charts.forest(cut), what.lower()),
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
