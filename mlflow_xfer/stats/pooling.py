"""Estimates of several studies made one: random-effects meta-analysis."""

from __future__ import annotations

import math

import numpy as np
from scipy import special

from mlflow_xfer.stats.estimate import Estimate, Numbers

SURE = 1e-6  # of a log ratio: a standard error below this is that of a ratio which says nothing


def random_effects(estimates: Numbers, errors: Numbers, level: float = 0.95) -> Estimate:
    """Random-effects mean: tau^2 by Paule & Mandel (1982),
    interval by Hartung & Knapp (2001), t with k - 1 df.

    Model: independent studies with known standard errors. Tasks that share languages are positively
    dependent: the interval is then too narrow, which is why the pooled p comes from the swap test.
    """
    y, v = np.asarray(estimates, float), np.maximum(np.asarray(errors, float), SURE) ** 2
    k = len(y)
    if k < 2:
        return Estimate(float(y[0]), se=float(v[0] ** 0.5)).noted("one study: nothing to pool")

    def excess(between: float) -> float:
        w = 1 / (v + between)
        return float((w * (y - (w * y).sum() / w.sum()) ** 2).sum()) - (k - 1)

    low, high = 0.0, float(y.var() * k + v.max()) * 10
    if excess(0.0) > 0:
        for _ in range(200):
            middle = (low + high) / 2
            low, high = (middle, high) if excess(middle) > 0 else (low, middle)
    between = low if excess(0.0) > 0 else 0.0
    w = 1 / (v + between)
    mean = float((w * y).sum() / w.sum())
    # Never narrower than the fixed-effect interval (Jackson et al. 2017's modification of Hartung & Knapp).
    spread = max(1.0, float((w * (y - mean) ** 2).sum()) / (k - 1))
    se = math.sqrt(spread / w.sum())
    half = se * float(special.stdtrit(k - 1, 0.5 + level / 2))
    p = 2 * float(special.stdtr(k - 1, -abs(mean) / se))
    note = f"{k} tasks: a wide interval" if k < 4 else ""
    return Estimate(
        mean,
        mean - half,
        mean + half,
        p,
        se,
        k - 1,
        level,
        "Paule-Mandel, Hartung-Knapp",
        parts={"between": between},
    ).noted(note)
