"""Sections of the report page on where its numbers come from: cost, imported results, protocol, limits, and
how to make it again."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from mlflow_xfer.reporting.analysis import Analysis, seeds_of
from mlflow_xfer.reporting.hypertext import Raw, element, table
from mlflow_xfer.reporting.parts import COLUMNS, paragraph, records, section
from mlflow_xfer.reporting.verdict import REGISTERED, UNDECIDED, points
from mlflow_xfer.stats.estimate import THESE


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


def limits(analysis: Analysis, of_study: bool = False) -> Raw:
    """What a reader must know of the comparisons; ``of_study``: the page begins with what a study found."""
    notes = [*dict.fromkeys(note for one in analysis.contrasts for note in one.notes)]
    notes += analysis.gaps
    notes += [
        f"{task} is base-seen: the base model's makers trained it on such data ({what}); its scores say "
        "little of a model of raw text alone"
        for task, what in analysis.base_seen.items()
    ]
    if analysis.contrasts and all(one.status != REGISTERED for one in analysis.contrasts):
        notes.append(
            "The comparisons of single conditions are exploratory"
            if of_study
            else "No comparison was registered before the first run: everything here is exploratory"
        )
    if any(one.shown == UNDECIDED for one in analysis.contrasts):
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
