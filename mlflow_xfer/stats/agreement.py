"""How well a cheap estimate of candidates predicts a dear one: merged weights against joint training.

The unit is the candidate (the subset of tasks): intervals say what another draw of such candidates would
show, given these models. Scores of several seeds are averaged first.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from scipy import stats

from mlflow_xfer.errors import XferError
from mlflow_xfer.stats.estimate import LIKE_THESE, Estimate, Numbers
from mlflow_xfer.stats.ranking import kendall, regret_points

FEWEST = 4
"""Candidates below which no interval is given."""


@dataclass(frozen=True)
class Agreement:
    """What the cheap estimates say about the dear ones, over the candidates that have both.

    Attributes:
        n: candidates.
        kendall, spearman: of the two rankings, -1 to 1.
        error: mean absolute difference, in points.
        bias: mean of cheap - dear, in points.
        regret: what is lost, in points of the dear estimate, by taking the candidate that the cheap one ranks
            first.
        random_regret: the same for a candidate taken at random.
    """

    n: int
    kendall: Estimate
    spearman: Estimate
    error: Estimate
    bias: Estimate
    regret: float
    random_regret: float

    def __str__(self) -> str:
        return (
            f"Kendall {self.kendall}, Spearman {self.spearman}, error {self.error.estimate:.1f} "
            f"[{self.error.low:.1f}, {self.error.high:.1f}] points, regret {self.regret:.1f} against "
            f"{self.random_regret:.1f} at random (n={self.n})"
        )


def agreement(
    dear: Mapping[Hashable, Sequence[float]], cheap: Mapping[Hashable, Sequence[float]], level: float = 0.95
) -> Agreement:
    """Compare two estimates, by candidate and seed; candidates that only one of them has are left out.

    Args:
        dear: candidate -> scores of its seeds by joint training.
        cheap: candidate -> scores of its seeds by merging.

    Raises:
        XferError: fewer than two candidates have both.
    """
    both = sorted(dear.keys() & cheap.keys(), key=str)
    if len(both) < 2:
        raise XferError(f"{len(both)} candidates have both estimates; an agreement needs two.")
    one, other = (np.array([float(np.mean(side[candidate])) for candidate in both]) for side in (dear, cheap))
    return Agreement(
        len(both),
        correlation(kendall, one, other, level, "Kendall's tau-b"),
        correlation(spearman, one, other, level, "Spearman's rho"),
        mean(np.abs(other - one), level),
        mean(other - one, level),
        regret_points(one, other, 1),
        float(one.max() - one.mean()),
    )


def spearman(one: Numbers, other: Numbers) -> float:
    """Spearman's rho; 0 where the cheap estimates are all equal, ``nan`` where the dear ones are."""
    if len(set(map(float, one))) < 2:
        return math.nan
    return float(cast(Any, stats.spearmanr(one, other)).statistic) if len(set(map(float, other))) > 1 else 0.0


def correlation(
    measure: Callable[[Numbers, Numbers], float],
    one: np.ndarray,
    other: np.ndarray,
    level: float,
    name: str,
) -> Estimate:
    """A rank correlation with a jackknife interval over candidates,
    made on Fisher's scale so that it stays within ±1.
    """
    n, value = len(one), measure(one, other)
    if n < FEWEST or not math.isfinite(value):
        return Estimate(
            value, level=level, method=name, n={"candidates": n}, notes=(f"{n} candidates: no interval",)
        )
    inside = 1 - 1 / n**2  # a perfect order of few candidates is not certainty
    keep = ~np.eye(n, dtype=bool)
    values = np.arctanh(np.clip([value, *(measure(one[k], other[k]) for k in keep)], -inside, inside))
    why = ""
    if not np.isfinite(values).all():
        why = "without one candidate all are equal"
    elif np.ptp(values) < 1e-9:  # a perfect order, say: its spread cannot be told from these candidates
        why = "the same without any one candidate"
    if why:
        return Estimate(value, level=level, method=name, n={"candidates": n}, notes=(f"{why}: no interval",))
    pseudo = n * values[0] - (n - 1) * values[1:]
    se = float(pseudo.std(ddof=1) / math.sqrt(n))
    half = float(stats.t.ppf(0.5 + level / 2, n - 1)) * se
    low, high = np.tanh(values[0] - half), np.tanh(values[0] + half)
    return Estimate(
        value,
        min(float(low), value),  # a value within 1/n² of ±1 is not the middle
        max(float(high), value),
        level=level,
        method=f"{name}, jackknife over candidates",
        population=LIKE_THESE,
        n={"candidates": n},
    )


def mean(values: np.ndarray, level: float) -> Estimate:
    """A mean over candidates with Student's t interval."""
    n = len(values)
    if n < FEWEST:
        return Estimate(
            float(values.mean()), level=level, n={"candidates": n}, notes=(f"{n} candidates: no interval",)
        )
    se = float(values.std(ddof=1) / math.sqrt(n))
    half = float(stats.t.ppf(0.5 + level / 2, n - 1)) * se
    return Estimate(
        float(values.mean()),
        float(values.mean() - half),
        float(values.mean() + half),
        se=se,
        df=n - 1,
        level=level,
        method="t over candidates",
        population=LIKE_THESE,
        n={"candidates": n},
    )
