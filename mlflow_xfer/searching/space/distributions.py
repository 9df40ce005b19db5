"""A range's scale: as Optuna's distribution, its middle, and a value at random."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from mlflow_xfer.searching.space.ranges import FIRST, Range


def distribution(r: Range) -> BaseDistribution:
    if r.choices:
        return CategoricalDistribution(r.choices)
    low, high = r.bounds
    return (
        IntDistribution(int(low), int(high), log=r.log, step=int(r.step or 1))
        if r.whole
        else FloatDistribution(low, high, log=r.log, step=r.step)
    )


def middle(name: str, scale: BaseDistribution) -> Any:
    """The middle of a range, on its scale, or where its declaration has a search begin."""
    if isinstance(scale, CategoricalDistribution):
        return scale.choices[0]
    assert isinstance(scale, IntDistribution | FloatDistribution)
    low, high = scale.low, scale.high
    if name in FIRST:
        return min(max(FIRST[name], low), high)
    middle = math.sqrt(low * high) if scale.log else (low + high) / 2
    if scale.step:
        middle = low + round((middle - low) / scale.step) * scale.step
    return int(middle) if isinstance(scale, IntDistribution) else middle


def drawn(r: Range, rng: np.random.Generator) -> Any:
    values = r.values() if not (r.log and r.whole) else None
    if values is not None:
        return values[rng.integers(len(values))]
    first, last = r.bounds
    low, high = (math.log(v) if r.log else v for v in (first, last + (1 if r.whole else 0)))
    drawn = rng.uniform(low, high)
    drawn = math.exp(drawn) if r.log else drawn
    return min(int(drawn), last) if r.whole else drawn
