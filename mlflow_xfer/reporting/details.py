"""Typology, variance and spread of the conditions that a report looks at closely."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd

from mlflow_xfer.errors import XferError
from mlflow_xfer.reporting.analysis import DETAILED, Analysis
from mlflow_xfer.reporting.comparable import beside
from mlflow_xfer.stats import dispersion, spread, typology
from mlflow_xfer.stats.components import components
from mlflow_xfer.stats.frame import correlated
from mlflow_xfer.stats.interaction import difference_block


def detailed(analysis: Analysis, groups: Mapping[str, pd.DataFrame]) -> Analysis:
    """Typology, variance and spread for the baseline and the best conditions; a part
    that cannot be had says why."""
    gaps = list(analysis.gaps)
    chosen = [*analysis.ranked[:DETAILED], *([analysis.baseline] if analysis.baseline else [])] or list(
        analysis.blocks
    )[:1]

    def attempt(what: str, make: Callable[[], Any]) -> Any:
        try:
            return make()
        except XferError as error:
            gaps.append(f"{what}: {error.what.splitlines()[0]}")
            return None

    slopes, adjusted = {}, {}
    for name in analysis.ranked[:DETAILED] if analysis.baseline else chosen:
        found = attempt(f"Typology of {name}", lambda name=name: _typology(analysis, groups, name))
        if found is not None:
            slopes[name], adjusted[name] = found
    parts = {
        name: attempt(f"Variance of {name}", lambda name=name: components(groups[name], name))
        for name in chosen
    }
    spreads = {
        name: attempt(f"Spread of {name}", lambda name=name: spread.describe(groups[name], name))
        for name in chosen
    }
    unfit = analysis.frame.loc[correlated(analysis.frame), "task"].unique()
    gaps += [f"{task}: {dispersion.NO_ODDS}" for task in unfit]
    ratios = []
    baseline = analysis.baseline or ""
    for name in analysis.ranked[:DETAILED] if baseline else []:
        found = attempt(
            f"Spread of {name} against the baseline",
            lambda name=name: dispersion.spread_ratio(beside(groups, name, baseline), name, baseline)[0],
        )
        if found is not None:
            ratios.append(
                {
                    "condition": name,
                    "ratio": found.estimate,
                    "low": found.low,
                    "high": found.high,
                    "p": found.p,
                    "notes": "; ".join(found.notes),
                }
            )
    tables = [t.assign(condition=name) for name, t in spreads.items() if t is not None]
    return Analysis(
        **{
            **analysis.__dict__,
            "slopes": slopes,
            "adjusted": adjusted,
            "components": {name: t for name, t in parts.items() if t is not None},
            "spreads": pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(),
            "ratios": pd.DataFrame(ratios),
            "gaps": tuple(dict.fromkeys(gaps)),
        }
    )


def _typology(
    analysis: Analysis, groups: Mapping[str, pd.DataFrame], name: str
) -> tuple[pd.DataFrame, pd.Series]:
    """Slopes of a condition's difference to the one it is compared with, and the values by language that they
    are of: adjusted for which tasks cover which languages."""
    base = analysis.against.get(name)
    rows = beside(groups, name, base) if base else groups[name]
    curve = typology.specification_curve(rows, name, base, primary=analysis.measure)
    block = difference_block(rows, name, base, ("en",))
    values, _ = block.by_language()
    return curve, pd.Series(values.mean((0, 1)), index=list(block.languages)).sort_index()
