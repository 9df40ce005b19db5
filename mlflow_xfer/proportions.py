"""The interval of a proportion, for scores over examples and for statistics over runs alike."""

from __future__ import annotations

from math import sqrt
from statistics import NormalDist

from mlflow_xfer.errors import XferError


def wilson(correct: float, n: int, level: float = 0.95) -> tuple[float, float]:
    """Wilson's (1927) score interval of ``correct`` out of ``n``, 0-100; covers well also near 0 and 100 %.

    Holds for one run on one test set, not for a method.

    Raises:
        XferError: no examples, or more correct than examples.
    """
    if n <= 0 or not 0 <= correct <= n:
        raise XferError(f"{correct} correct of {n} is not a proportion.", "Give 0 <= correct <= n and n > 0.")
    z, p = NormalDist().inv_cdf(0.5 + level / 2), correct / n
    centre, half = p + z**2 / (2 * n), z * sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    # The bounds at 0 and n correct are 0 and 100 exactly; the formula leaves rounding there.
    low = 0.0 if correct == 0 else (centre - half) / (1 + z**2 / n)
    high = 1.0 if correct == n else (centre + half) / (1 + z**2 / n)
    return 100 * float(low), 100 * float(high)
