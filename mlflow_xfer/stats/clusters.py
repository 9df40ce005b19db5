"""Does the answer hang on one language, one family,
one task? And how many independent languages are there really?

Languages of a family are not independent. Clustering by family treats the family as the unit; its effective
number is what the sizes leave of it: XTREME-R's 50 languages are one large family and many singletons.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from scipy.stats import false_discovery_control

from mlflow_xfer import languages
from mlflow_xfer.errors import XferError
from mlflow_xfer.stats import crossed
from mlflow_xfer.stats.blocks import pair
from mlflow_xfer.stats.estimate import THESE, Estimate, Numbers
from mlflow_xfer.stats.frame import check
from mlflow_xfer.stats.means import contrast, estimate, paired, seed_notes


def family_of(language: str) -> str:
    """The family of a language code; a language of unknown family or isolate is its own."""
    return languages.get(language).family or language


def effective_number(weights: Numbers) -> float:
    """How many equal clusters weigh as much as these: ``(sum w)^2 / sum w^2``."""
    w = np.asarray(weights, float)
    if len(w) == 0 or w.sum() == 0:
        return 0.0
    return float(w.sum() ** 2 / (w**2).sum())


def by_family(codes: Sequence[str], family: Callable[[str], str] = family_of) -> pd.DataFrame:
    """Families of these languages: columns family, languages, share; sorted by size."""
    counts = (
        pd.Series([family(code) for code in codes])
        .value_counts()
        .rename_axis("family")
        .reset_index(name="languages")
    )
    return counts.assign(share=counts["languages"] / counts["languages"].sum())


def cluster_difference(
    frame: pd.DataFrame,
    condition: str,
    baseline: str,
    *,
    cluster: Callable[[str], str] | Mapping[str, str] = family_of,
    level: float = 0.95,
) -> Estimate:
    """:func:`~mlflow_xfer.stats.means.difference` with families of languages as the unit that stands for
    more.

    Model: seed and family are crossed random factors, families weighted by their languages, df by
    Satterthwaite on the weights. Limits: below an effective number of 4 families the interval says little
    (one family dominates it) and is refused.

    Raises:
        XferError: arms that are not paired, fewer than 4 families in effect.
    """
    first, second = pair(check(frame), condition, baseline)
    if not paired(first, second):
        raise XferError(
            "Clustering by family needs arms with the same seeds.", "Run both with the same seeds."
        )
    block = replace(first, values=first.values - second.values)
    of = cluster if callable(cluster) else cluster.__getitem__
    x, weights = block.by_language()
    names = [of(language) for language in block.languages]
    unique = list(dict.fromkeys(names))
    onto = np.eye(len(unique))[[unique.index(name) for name in names]]
    pooled = weights @ onto
    effective = effective_number(pooled)
    if effective < 4:
        raise XferError(
            f"{len(unique)} families count as {effective:.1f}: too few to generalise over families.",
            "Add languages of other families, or state the result for these languages.",
        )
    axes = (
        *((crossed.BASE,) if len(block.bases) > 1 else ()),
        *((crossed.SEED,) if len(block.seeds) > 1 else ()),
        crossed.LANGUAGE,
    )
    spread = crossed.spread(x * weights @ onto / pooled, axes, pooled)
    n = {
        "seeds": len(block.seeds),
        "bases": len(block.bases),
        "languages": len(names),
        "families": len(unique),
        "tasks": len(block.tasks),
    }
    difference = estimate(
        spread, level, population="families like these", n=n, method="crossed seed x family ANOVA"
    )
    notes = (
        f"{len(unique)} families count as {effective:.1f}: the interval is conservative (covers 96-99 %)",
        *seed_notes(len(block.seeds), len(block.bases)),
    )
    return difference.noted(*notes)


GROUPS: Mapping[str, Callable[[tuple[str, str]], str]] = {
    "language": lambda unit: unit[1],
    "task": lambda unit: unit[0],
    "family": lambda unit: family_of(unit[1]),
}


def leave_one_out(
    frame: pd.DataFrame,
    condition: str,
    baseline: str,
    *,
    by: str = "language",
    population: str = THESE,
    level: float = 0.95,
) -> pd.DataFrame:
    """The difference without each language (or task, or family) in turn:
    columns left_out, estimate, low, high, p, flips.

    ``flips``: the sign changes, or the interval begins or ceases to contain 0. A check of robustness, not a
    test.
    """
    if by not in GROUPS:
        raise XferError(f"Unknown grouping {by!r}.", f"Accepted: {', '.join(GROUPS)}")
    first, second = pair(check(frame), condition, baseline)
    whole = contrast(first, second, population, level)
    groups = np.array([GROUPS[by](unit) for unit in first.units])
    names = list(dict.fromkeys(groups.tolist()))
    if len(names) < 2:
        raise XferError(f"There is only one {by}: nothing is left without it.", "")
    rows = []
    for name in names:
        kept = groups != name
        one = contrast(first.select(kept), second.select(kept), population, level)
        flips = one.estimate * whole.estimate < 0 or (one.low * one.high > 0) != (whole.low * whole.high > 0)
        rows.append((name, one.estimate, one.low, one.high, one.p, bool(flips)))
    return pd.DataFrame(rows, columns=["left_out", "estimate", "low", "high", "p", "flips"])


def language_effects(frame: pd.DataFrame, condition: str, baseline: str, level: float = 0.95) -> pd.DataFrame:
    """The difference per (task, language) with a t interval over paired seeds:
    columns task, language, estimate, low, high, p, q.

    ``q``: Benjamini-Hochberg over all cells; one without p has no q but counts as a test made. With few seeds
    nearly no cell can be marked; that is not absence of an effect.
    """
    first, second = pair(check(frame), condition, baseline)
    rows = []
    for i, unit in enumerate(first.units):
        keep = np.arange(len(first.units)) == i
        one = contrast(first.select(keep), second.select(keep), THESE, level)
        rows.append((*unit, one.estimate, one.low, one.high, one.p))
    table = pd.DataFrame(rows, columns=["task", "language", "estimate", "low", "high", "p"])
    adjusted = false_discovery_control(table["p"].fillna(1.0))
    return table.assign(q=np.where(table["p"].isna(), np.nan, adjusted))
