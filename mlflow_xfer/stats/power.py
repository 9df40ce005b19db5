"""Equivalence, the smallest effect a design can find, and the seeds it needs: before and after the fact.

Model: paired per-seed differences, normal with standard deviation ``sd``; power from the noncentral t (Cohen
1988; exact for one sample). "Not enough power" is a verdict: an interval that contains both 0 and effects
that matter decides nothing.
"""

from __future__ import annotations

import math
from typing import cast

import numpy as np
from scipy import optimize, special

from mlflow_xfer.errors import XferError
from mlflow_xfer.stats.estimate import Estimate


def power(effect: float, sd: float, seeds: int, level: float = 0.95) -> float:
    """Probability that the two-sided paired t test finds ``effect`` (in points) with ``seeds`` seeds."""
    if seeds < 2:
        return 0.0
    if sd <= 0:
        return 1.0 if effect else 1 - level
    df, shift = seeds - 1, abs(effect) / sd * math.sqrt(seeds)
    critical = float(special.stdtrit(df, 0.5 + level / 2))
    return _found(shift, df, critical) + float(np.nan_to_num(special.nctdtr(df, shift, -critical)))


def _found(shift: float, df: float, critical: float) -> float:
    """Probability that a noncentral t exceeds the critical value;
    far out in the tail, where scipy gives nan, it is 1.
    """
    below = float(special.nctdtr(df, shift, critical))
    return 1 - below if math.isfinite(below) else 1.0


def minimum_detectable(se: float, df: float, target: float = 0.8, level: float = 0.95) -> float:
    """The effect that a t test with this standard error and df finds with probability ``target``;
    ``inf`` without df.
    """
    if not (math.isfinite(se) and math.isfinite(df)) or df <= 0:
        return math.inf
    if se == 0:
        return 0.0
    critical = float(special.stdtrit(df, 0.5 + level / 2))

    def lacking(shift: float) -> float:
        return _found(shift, df, critical) - target

    high = critical + 3
    while lacking(high) < 0 and high < 1e6:
        high *= 1.5
    return se * float(cast(float, optimize.brentq(lacking, 0, high, xtol=1e-6)))


def seeds_needed(
    effect: float, sd: float, target: float = 0.8, level: float = 0.95, at_most: int = 1000
) -> int | None:
    """The fewest paired seeds that find ``effect`` with probability ``target``;
    ``None`` if more than ``at_most``.

    Raises:
        XferError: an effect of 0, which no number of seeds finds.
    """
    if effect == 0:
        raise XferError(
            "An effect of 0 cannot be detected.",
            "Give the smallest difference that would matter, e.g. margin=1.",
        )
    if power(effect, sd, at_most, level) < target:
        return None
    low, high = 1, at_most  # power grows with seeds: bisection
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if power(effect, sd, middle, level) >= target else (middle, high)
    return high


def plan(sd: float, seeds: int, margin: float = 1.0, level: float = 0.95) -> dict[str, float | int | None]:
    """What a design will be able to say, before it runs:
    detectable effect, power at ``margin``, seeds needed for ``margin``.
    """
    return {
        "seeds": seeds,
        "sd": sd,
        "minimum_detectable": minimum_detectable(sd / math.sqrt(seeds), seeds - 1, level=level),
        "power_at_margin": power(margin, sd, seeds, level),
        "seeds_needed": seeds_needed(margin, sd, level=level),
    }


def equivalence(estimate: Estimate, margin: float, level: float = 0.95) -> float:
    """p of TOST (Schuirmann 1987): the larger of the two one-sided tests against ``-margin`` and ``+margin``.

    Small p: the difference lies within the margin, and at 0.05 so does its 90 % interval. Uses the estimate's
    se and df (Student's t); ``nan`` without them.

    Raises:
        XferError: a margin that is not positive.
    """
    if not margin > 0:
        raise XferError(
            f"The margin {margin} is not positive.",
            "Give the smallest difference that would matter, e.g. 1.0 point.",
        )
    if not estimate.se > 0 or not math.isfinite(estimate.df):
        return math.nan
    t = (margin - abs(estimate.estimate)) / estimate.se / _scale(estimate)
    return float(special.stdtr(estimate.df, -t))


def equivalence_interval(estimate: Estimate, alpha: float = 0.05) -> tuple[float, float]:
    """The interval that decides on equivalence, of level ``1 - 2 * alpha``: it lies within a margin where
    :func:`equivalence` is at most ``alpha``. (nan, nan) without se and df.
    """
    if not estimate.se > 0 or not math.isfinite(estimate.df):
        return math.nan, math.nan
    half = estimate.se * _scale(estimate) * float(special.stdtrit(estimate.df, 1 - alpha))
    return estimate.estimate - half, estimate.estimate + half


def _scale(estimate: Estimate) -> float:
    """How much wider the estimate's interval is than Satterthwaite's t, as where factors mix: a test must not
    be bolder."""
    quantile = float(special.stdtrit(estimate.df, 0.5 + estimate.level / 2))
    return max((estimate.high - estimate.low) / 2 / estimate.se / quantile, 1.0)


def detectable(estimate: Estimate, target: float = 0.8, level: float | None = None) -> float:
    """The smallest effect that the design behind an estimate would have found, after the fact;
    ``inf`` without an interval.

    Args:
        level: that of the test; None: that of the estimate. Of several that are corrected together it is
            higher.
    """
    least = minimum_detectable(estimate.se, estimate.df, target, level or estimate.level)
    return least * _scale(estimate) if 0 < least < math.inf else least


def power_of(estimate: Estimate, effect: float, level: float | None = None) -> float:
    """How often the design behind an estimate finds ``effect``; ``nan`` without an interval."""
    if not estimate.se > 0 or not estimate.df > 0:
        return math.nan
    critical = float(special.stdtrit(estimate.df, 0.5 + (level or estimate.level) / 2))
    return _found(abs(effect) / estimate.se / _scale(estimate), estimate.df, critical)
