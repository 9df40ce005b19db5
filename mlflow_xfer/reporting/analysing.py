"""Everything a report says, as numbers: one pass over a tidy frame of scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from mlflow_xfer import languages
from mlflow_xfer.errors import XferError
from mlflow_xfer.registry import unknown
from mlflow_xfer.reporting import details, same_task
from mlflow_xfer.reporting.analysis import Analysis, table
from mlflow_xfer.reporting.by_task import findings
from mlflow_xfer.reporting.comparable import baseline_of, beside, common, in_codes, refuse_gaps, units_of
from mlflow_xfer.reporting.verdict import verdicts
from mlflow_xfer.stats import typology
from mlflow_xfer.stats.blocks import cells, pair
from mlflow_xfer.stats.estimate import THESE
from mlflow_xfer.stats.frame import check
from mlflow_xfer.stats.means import infer


def analyse(
    frame: pd.DataFrame,
    *,
    question: str = "",
    baseline: str | None = None,
    against: Mapping[str, str] = {},  # noqa: B006 (read only)
    registered: Sequence[str] = (),
    margin: float = 1.0,
    population: str = THESE,
    measure: str = typology.PRIMARY,
    missing: str = "refuse",
    imported: pd.DataFrame | None = None,
    detailed: bool = True,
) -> Analysis:
    """Analyse a tidy frame of scores (see :mod:`mlflow_xfer.stats.frame`).

    Args:
        baseline: the condition others are compared with; default ``none`` or ``baseline`` (no
            intermediate task) if it is there.
        against: conditions that are compared with another one than the baseline.
        registered: conditions whose comparison was fixed before the first run.
        margin: the smallest difference that matters, in points.
        population: ``these languages`` or ``languages like these``.
        measure: the primary distance for typology.
        missing: ``refuse`` cells that one condition lacks, or keep the ``common`` tasks and languages only.
        imported: rows of earlier papers: shown, not tested.
        detailed: work out typology, variance and spread too.

    Raises:
        XferError: faults of the table, with the rows; unknown languages, conditions or measures;
            a margin that is not positive.
    """
    if not margin > 0:
        raise XferError(
            f"margin={margin} is not positive.",
            "Give the smallest difference that would matter, e.g. 1.0 point.",
        )
    languages.MEASURES.get(measure)
    # str, not names of the frame's dtype: categories with unused levels would reappear as empty groups.
    checked = in_codes(
        check(
            frame.assign(**{c: frame[c].astype(str) for c in ("condition", "task", "language") if c in frame})
        )
    )
    gaps: list[str] = []
    if missing == "common":
        checked, left_out = common(checked)
        gaps += left_out
    names = list(dict.fromkeys(checked["condition"]))
    baseline = baseline_of(names, baseline)
    for name in (*registered, *against, *against.values()):
        if name not in names:
            raise unknown("condition", name, names)
    groups = {str(name): rows for name, rows in checked.groupby("condition", sort=False)}
    refuse_gaps(groups, baseline)
    compared = {name: against.get(name, baseline) for name in names if name != baseline} if baseline else {}
    counted, apart = same_task.apart(checked)
    own = same_task.table(apart, checked, compared)
    gaps += [same_task.said(*one) for one in own[same_task.COLUMNS[:3]].itertuples(index=False)]
    groups = {str(name): rows for name, rows in counted.groupby("condition", sort=False)}
    blocks = {name: cells(groups[name], name, units_of(groups[name])) for name in names if name in groups}
    means = {name: infer(block, population) for name, block in blocks.items()}
    together = {name: beside(groups, name, base) for name, base in compared.items()}
    pairs = [pair(both, name, compared[name]) for name, both in together.items() if len(both)]
    options: dict[str, Any] = {"registered": registered, "margin": margin, "population": population}
    found = verdicts(*zip(*pairs, strict=True), **options) if pairs else []
    found = sorted(found, key=lambda one: -one.estimate)
    analysis = Analysis(
        checked,
        question,
        baseline,
        margin,
        population,
        blocks,
        means,
        found,
        table(blocks, 1),
        table(blocks, 0),
        against=compared,
        bases={first.condition: second for first, second in pairs},
        own=own,
        findings=findings(pairs, margin),
        measure=measure,
        imported=imported if imported is not None else pd.DataFrame(),
        gaps=tuple(gaps),
    )
    return details.detailed(analysis, groups) if detailed else analysis
