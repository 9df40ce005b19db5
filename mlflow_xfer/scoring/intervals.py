"""95 % intervals of one score over its test examples, by bootstrap; those of proportions are Wilson's
(``proportions``).

They say how far a score could move with another sample of test examples of the same language. They do not
say how far it moves with another training seed; that spread is usually larger and needs several runs.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

RESAMPLES = 1000
HELD = 1 << 20  # rows of resamples held at once


def bootstrap(
    rows: np.ndarray,
    statistic: Callable[[np.ndarray], np.ndarray],
    *,
    seed: int = 0,
    resamples: int = RESAMPLES,
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


def bootstrap_of_samples(
    rows: np.ndarray,
    statistic: Callable[[np.ndarray], np.ndarray],
    *,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> tuple[float, float]:
    """As :func:`bootstrap`, for a statistic that does not follow from sums.

    Args:
        rows: ``[n, k]`` values, one row per example.
        statistic: samples ``[resamples, n, k]`` to figures ``[resamples]``.
    """
    ordered, rng = rows[np.lexsort(rows.T)], np.random.default_rng(seed)
    samples = []
    step = max(1, HELD // len(rows))
    for start in range(0, resamples, step):
        drawn = rng.integers(0, len(rows), (min(step, resamples - start), len(rows)))
        samples.append(statistic(ordered[drawn]))
    low, high = np.percentile(np.concatenate(samples), [2.5, 97.5])
    return float(low), float(high)
