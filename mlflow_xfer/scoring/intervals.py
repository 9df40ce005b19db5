"""95 % intervals of one score over its test examples: Wilson for proportions, bootstrap for the rest.

They say how far a score could move with another sample of test examples of the same language. They do not
say how far it moves with another training seed; that spread is usually larger and needs several runs.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Z = 1.959963984540054  # normal quantile of 0.975
RESAMPLES = 1000


def wilson(correct: float, n: int) -> tuple[float, float]:
    """Wilson's (1927) score interval of ``correct`` out of ``n``, 0-100; covers well also near 0 and 100 %."""
    p, zz = correct / n, Z * Z / n
    centre = (p + zz / 2) / (1 + zz)
    half = Z / (1 + zz) * np.sqrt(p * (1 - p) / n + zz / (4 * n))
    # At p = 0 and p = 1 the bound is exactly p; rounding must not put it on the other side.
    return float(100 * max(0.0, min(centre - half, p))), float(100 * min(1.0, max(centre + half, p)))


def bootstrap(
    rows: np.ndarray, statistic: Callable[[np.ndarray], np.ndarray], *, seed: int = 0, resamples: int = RESAMPLES
) -> tuple[float, float]:
    """Percentile bootstrap over examples (Efron 1979).

    Args:
        rows: ``[n, k]`` additive counts, one row per example.
        statistic: sums ``[resamples, k]`` to figures ``[resamples]``.

    Returns:
        The 2.5th and 97.5th percentile. Equal for equal ``rows`` in any order and equal ``seed``.
    """
    # Examples with equal counts are interchangeable: drawing how often each distinct row occurs is the same
    # bootstrap and far cheaper than drawing n indices, since few distinct rows exist.
    distinct, often = np.unique(rows, axis=0, return_counts=True)
    drawn = np.random.default_rng(seed).multinomial(len(rows), often / len(rows), size=resamples)
    low, high = np.percentile(statistic(drawn @ distinct), [2.5, 97.5])
    return float(low), float(high)
