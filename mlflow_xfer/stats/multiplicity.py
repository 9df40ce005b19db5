"""Many questions, many looks, many candidates: corrections for each.

Holm over the contrasts that were registered as primary before the first run (controls the chance of any false
claim); an e-process or a spending plan for sequential looks; wider intervals for several winners on fresh
seeds.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy import special

from mlflow_xfer.errors import XferError
from mlflow_xfer.stats.estimate import Estimate, Numbers


def holm(values: Numbers) -> np.ndarray:
    """Adjusted p-values (Holm 1979), valid under any dependence.
    ``nan`` stays ``nan`` but counts as a test made.
    """
    p = np.asarray(values, float)
    wrong = p[(p < 0) | (p > 1)]
    if len(wrong):
        raise XferError(f"{wrong[0]} is not a p-value.", "p-values lie between 0 and 1.")
    order = np.argsort(np.where(np.isnan(p), 1.0, p), kind="stable")
    filled = np.where(np.isnan(p), 1.0, p)[order]
    steps = np.maximum.accumulate(filled * (len(p) - np.arange(len(p))))
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(steps, 1)
    return np.where(np.isnan(p), np.nan, adjusted)


def e_process(differences: Sequence[float] | np.ndarray, effect_sd: float = 1.0) -> np.ndarray:
    """e-values after each paired seed: look whenever you like, stop when one exceeds 20 (= 1 / .05).

    The likelihood ratio of a normal effect size with standard deviation ``effect_sd`` against no effect,
    invariant in scale (Gönen et al. 2005; an e-process by Pérez-Ortiz, Lardy, de Heide & Grünwald 2024):
    under no effect the chance that it ever exceeds ``1/a`` is at most ``a``. Model: independent normal
    differences. Rows of a 2-d array are separate sequences.

    Returns:
        e-values of the same shape; 1 at the first seed, which says nothing about its own scale.
    """
    x = np.asarray(differences, float)
    n = np.arange(1, x.shape[-1] + 1)
    total, squares = x.cumsum(-1), (x**2).cumsum(-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(squares > 0, total**2 / (n * squares), 0.0)  # R^2 of the mean: t^2 / (t^2 + n - 1)
    ratio = np.minimum(ratio, 1 - 1e-12)
    g = n * effect_sd**2
    log_e = -0.5 * np.log1p(g) - 0.5 * n * np.log1p(-ratio * g / (1 + g))
    return np.where(n == 1, 1.0, np.exp(log_e))


def spending(looks: int, level: float = 0.95, shape: float = 2.0) -> np.ndarray:
    """Significance level of each planned look:
    ``alpha * (k/K)^shape`` spent by look k (Kim & DeMets 1987), summed by Bonferroni.

    Valid for any test and any dependence between looks; conservative for that reason.
    """
    if looks < 1:
        raise XferError(f"{looks} looks cannot be planned.", "Plan at least one.")
    spent = (1 - level) * (np.arange(looks + 1) / looks) ** shape
    return np.diff(spent)


def widen(estimate: Estimate, tests: int, level: float = 0.95) -> Estimate:
    """The estimate with an interval that holds jointly for ``tests`` such intervals (Bonferroni)."""
    if not math.isfinite(estimate.df) or not estimate.se > 0:
        return estimate
    ask = 1 - (1 - level) / tests
    scale = (
        (estimate.high - estimate.low)
        / 2
        / (estimate.se * special.stdtrit(estimate.df, 0.5 + estimate.level / 2))
    )
    half = float(scale * estimate.se * special.stdtrit(estimate.df, 0.5 + ask / 2))
    note = f"joint interval over {tests} candidates" if tests > 1 else ""
    return Estimate(
        **{
            **estimate.__dict__,
            "low": estimate.estimate - half,
            "high": estimate.estimate + half,
            "level": level,
        }
    ).noted(note)
