"""One report for any set of results: a page that stands alone, a machine-readable
verdict, and tables for papers."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from mlflow_xfer import notebooks
from mlflow_xfer.errors import XferError
from mlflow_xfer.reporting import answer as answers
from mlflow_xfer.reporting import sections
from mlflow_xfer.reporting.analysing import analyse
from mlflow_xfer.reporting.analysis import Analysis
from mlflow_xfer.reporting.conditions_table import differences_table
from mlflow_xfer.reporting.description import description
from mlflow_xfer.reporting.exports import export, latex_table, markdown_table
from mlflow_xfer.reporting.hypertext import Raw
from mlflow_xfer.reporting.report_page import page
from mlflow_xfer.reporting.verdict import EQUIVALENT, REGISTERED, p_text
from mlflow_xfer.stats.estimate import THESE
from mlflow_xfer.stats.typology import PRIMARY
from mlflow_xfer.tracking.links import VERDICT

SCHEMA = 1
TITLE = "Cross-lingual transfer report"


@dataclass(frozen=True)
class Report:
    """``html``: the page. ``verdict``: what ``verdict.json`` holds. ``tables``: frames by name.
    ``description``: markdown for the run. ``analysis``: the numbers behind all of it."""

    html: str
    verdict: dict[str, Any]
    tables: dict[str, pd.DataFrame]
    latex: str
    markdown: str
    description: str
    results: pd.DataFrame
    analysis: Analysis

    def _repr_html_(self) -> str:
        return notebooks.page(self.html)

    def save(self, folder: str | Path) -> Path:
        """Write ``report.html``, ``verdict.json``, ``differences.tex`` and ``.md``, ``tables/*.csv``,
        ``results.csv`` and ``.parquet``.

        Raises:
            XferError: the folder cannot be written to.
        """
        folder = Path(folder)
        texts = {
            "report.html": self.html,
            VERDICT: json.dumps(self.verdict, indent=2, ensure_ascii=False, allow_nan=False) + "\n",
            "differences.tex": self.latex,
            "differences.md": self.markdown,
        }
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for name, content in texts.items():
                (folder / name).write_text(content, encoding="utf-8")
        except OSError as error:
            raise XferError(
                f"{folder} cannot be written: {error.strerror or error}", "Name another folder."
            ) from error
        for name, frame in self.tables.items():
            export(frame, folder / "tables" / f"{name}.csv")
        for ending in (".csv", ".parquet"):
            export(self.results, folder / f"results{ending}")
        return folder


def report(
    frame: pd.DataFrame,
    *,
    question: str = "",
    baseline: str | None = None,
    against: Mapping[str, str] = {},  # noqa: B006 (read only)
    registered: Sequence[str] = (),
    margin: float = 1.0,
    population: str = THESE,
    measure: str = PRIMARY,
    missing: str = "refuse",
    imported: pd.DataFrame | None = None,
    costs: pd.DataFrame | None = None,
    protocol: Mapping[str, str] | None = None,
    reproduce: Sequence[str] = (),
    title: str = TITLE,
    opening: Sequence[Raw] = (),
) -> Report:
    """Report on a tidy frame of scores; see :func:`mlflow_xfer.reporting.analysing.analyse` for
    most arguments and the errors.

    Rows with a ``source`` (see :mod:`mlflow_xfer.reporting.imported`) are taken as imported. ``costs``:
    what :func:`mlflow_xfer.tracking.results.costs` returns. ``protocol``: further lines for that
    section. ``reproduce``: commands. ``opening``: sections that the page begins with.
    """
    if "source" in frame:
        theirs = frame["source"].notna()
        imported = pd.concat([p for p in (imported, frame[theirs]) if p is not None])
        frame = frame[~theirs].drop(columns="source")
        if not frame["seed"].map(lambda s: isinstance(s, str)).any():
            frame = frame.assign(seed=frame["seed"].astype(int))
    analysis = analyse(
        frame,
        question=question,
        baseline=baseline,
        against=_against(frame) | dict(against),
        registered=registered,
        margin=margin,
        population=population,
        measure=measure,
        missing=missing,
        imported=imported,
    )
    found = differences_table(analysis)
    tables = {
        "differences": found,
        "by_language": analysis.by_language.rename_axis("language").reset_index(),
        "by_task": analysis.by_task.rename_axis("task").reset_index(),
    }
    slopes = {c: t.assign(against=analysis.against.get(c, "")) for c, t in analysis.slopes.items()}
    for name, several in (("typology", slopes), ("variance", analysis.components)):
        if several:
            tables[name] = pd.concat([t.assign(condition=c) for c, t in several.items()], ignore_index=True)
    for name, one in (
        ("spread", analysis.spreads),
        ("spread_ratio", analysis.ratios),
        ("same_task", analysis.own),
        ("imported", analysis.imported),
        ("cost", costs),
    ):
        if one is not None and not one.empty:
            tables[name] = one
    short = _short(found, analysis)
    caption = f"{question or title}. {_about(analysis)}"
    return Report(
        html=page(analysis, title, costs, dict(protocol or {}), list(reproduce), opening),
        verdict=verdict(analysis),
        tables=tables,
        latex=latex_table(short, caption, "tab:xfer"),
        markdown=markdown_table(short),
        description=f"{description(analysis)}\nWhole report: artifact `report.html`.\n",
        results=analysis.frame,
        analysis=analysis,
    )


def _short(found: pd.DataFrame, analysis: Analysis) -> pd.DataFrame:
    """The columns for a paper of :func:`differences_table`."""
    against = ["against"] if analysis.several_baselines else []
    columns = ["difference", "low", "high", "p_corrected", "verdict", "seeds", "borda"]
    short = found[["condition", "mean", *against, *columns]].copy()
    short["p_corrected"] = [p_text(p) for p in short["p_corrected"]]
    return short


def _about(analysis: Analysis) -> str:
    """What the numbers of that table are."""
    named = "the condition beside each" if analysis.several_baselines else None
    to = named or next((one.baseline for one in analysis.contrasts), analysis.baseline)
    equal = [one for one in analysis.contrasts if one.verdict == EQUIVALENT]
    within = (
        f" {EQUIVALENT.capitalize()}: the 90 % interval lies within {equal[0].margin:g}." if equal else ""
    )
    own = " Means leave out targets that are a condition's own task." if len(analysis.own) else ""
    return f"Differences to {to} with 95 % intervals.{within}{own}"


def _against(frame: pd.DataFrame) -> dict[str, str]:
    """Which conditions a study compares with another one of this frame."""
    if "against" not in frame:
        return {}
    pairs = frame[["condition", "against"]].drop_duplicates().dropna().itertuples(index=False)
    return {name: base for name, base in pairs if base in set(frame["condition"])}


def verdict(analysis: Analysis) -> dict[str, Any]:
    """The machine-readable answer; numbers that do not exist are ``null``, p-values and
    powers are 0-1, the rest points."""
    found = answers.lead(analysis)
    return {
        "schema": SCHEMA,
        "question": analysis.question,
        "headline": answers.headline(analysis),
        "answer": " ".join(sections.answer_texts(analysis)),
        "status": REGISTERED if any(c.status == REGISTERED for c in analysis.contrasts) else "exploratory",
        "baseline": analysis.baseline,
        "population": analysis.population,
        "margin": analysis.margin,
        "level": 0.95,
        "means": {
            name: {k: v for k, v in mean.as_dict().items() if k in ("estimate", "low", "high", "n", "notes")}
            for name, mean in analysis.means.items()
        },
        "contrasts": [one.as_dict() for one in analysis.contrasts],
        "lead": {"condition": found.contrast.condition, "task": found.task} if found else None,
        "by_task": [one.as_dict() for one in analysis.findings],
        "same_task": [
            {name: None if value != value else value for name, value in one.items()}
            for one in analysis.own.to_dict("records")
        ],
        "base_seen": analysis.base_seen,
        "stuck": [
            {"condition": condition, "task": task, "seeds": list(seeds)}
            for (condition, task), seeds in analysis.stuck.items()
        ],
        "learned_nothing": {task: list(names) for task, names in analysis.learned_nothing.items()},
        "unlearned": list(analysis.unlearned),
        "gaps": list(analysis.gaps),
    }


def make_report(results: pd.DataFrame, out_dir: str | Path, question: str = "", **options: Any) -> Report:
    """:func:`report` written to a folder: what the ``report`` verb does with the results it has read."""
    made = report(results, question=question, **options)
    made.save(out_dir)
    return made
