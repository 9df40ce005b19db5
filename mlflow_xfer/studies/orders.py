"""Curves along an axis: how high they lie, and where one order of tasks lies among random ones."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import special

from mlflow_xfer.stats.interaction import combined
from mlflow_xfer.stats.permutation import rank_among

if TYPE_CHECKING:
    from mlflow_xfer.stats.blocks import Cells
    from mlflow_xfer.stats.estimate import Estimate
    from mlflow_xfer.studies.study import Arm, Contrast, Curve, Study

ENOUGH = 19  # random orders from which the smallest p is .05
DRAWS = 4000


def height(curve: Curve, arms: Sequence[Arm]) -> dict[str, float]:
    """Weights of a curve's arms whose sum is its mean height: the area under it by its length."""
    facts = {arm.name: arm.facts for arm in arms}
    places = np.array([facts[name][curve.axis] for name in curve.arms], float)
    widths = np.diff(places) / 2 / (places[-1] - places[0])
    shares = np.concatenate([[0.0], widths]) + np.concatenate([widths, [0.0]])
    return {name: float(share) for name, share in zip(curve.arms, shares, strict=True)}


def against_random(chosen: Curve, curves: Sequence[Curve], arms: Sequence[Arm]) -> dict[str, float]:
    """Weights of the difference between a curve's height and the mean of the random ones; what all of them
    share falls out."""
    random = [one for one in curves if one.random]
    weights = height(chosen, arms)
    for one in random:
        for name, share in height(one, arms).items():
            weights[name] = weights.get(name, 0.0) - share / len(random)
    return {name: round(weight, 12) for name, weight in weights.items() if abs(weight) > 1e-9}


def among_random(
    study: Study, one: Contrast, blocks: Mapping[str, Cells], population: str, level: float
) -> tuple[Estimate, pd.DataFrame]:
    """The difference to the mean random order, its p by the order's rank among them, and all heights.

    The interval is that of seeds and bases, widened by what a mean of so few random orders is off; p is exact
    if the order has nothing to do with the scores: then it is one more random one.
    """
    estimate = combined(blocks, one.weights, population, level)
    of_arm = {name: float((block.values * block.weights).sum(-1).mean()) for name, block in blocks.items()}
    chosen = study.curve(one.measure)
    random = [curve for curve in study.curves if curve.random]
    heights = {
        curve.name: sum(share * of_arm.get(name, 0.0) for name, share in height(curve, study.arms).items())
        for curve in (chosen, *random)
    }
    others = [heights[curve.name] for curve in random]
    p = rank_among(heights[chosen.name], others)
    centre = float(np.mean(others))
    table = pd.DataFrame(
        [(name, value - centre) for name, value in heights.items()], columns=["order", "difference"]
    ).sort_values("difference", ascending=False, ignore_index=True)
    off = spread_of(table, chosen.name) / len(random) ** 0.5
    aside = off * float(special.stdtrit(max(len(random) - 1, 1), 0.5 + level / 2))
    half = math.hypot((estimate.high - estimate.low) / 2, aside)
    known = replace(
        estimate,
        low=estimate.estimate - half,
        high=estimate.estimate + half,
        p=p,
        se=math.hypot(estimate.se, off),
        method="rank among random orders; interval over seeds, bases and random orders",
        population=population,
        n=estimate.n | {"orders": len(random)},
    )
    return known.noted(few(len(random))), table


def spread_of(table: pd.DataFrame, chosen: str) -> float:
    """The standard deviation of the random orders' heights; 0 of fewer than two."""
    heights = table.loc[table["order"] != chosen, "difference"]
    return float(heights.std()) if len(heights) > 1 else 0.0


def few(orders: int) -> str:
    """What so few random orders mean, in words; nothing where they are enough."""
    if orders >= ENOUGH:
        return ""
    return (
        f"{orders} random orders: the smallest p is {1 / (orders + 1):.2f}: a demonstration; {ENOUGH} reach "
        ".05"
    )


def power(shift: float, orders: int, level: float = 0.95) -> float:
    """How often an order is found among so many random ones that lies ``shift`` of their standard deviations
    above their mean, seeds' noise included."""
    return _power(round(shift, 3), orders, round(level, 4))


@lru_cache(maxsize=256)
def _power(shift: float, orders: int, level: float) -> float:
    heights = np.random.default_rng(0).standard_normal((DRAWS, orders + 1))
    heights[:, 0] += shift
    away = np.abs(heights - heights.mean(1, keepdims=True))
    p = (away >= away[:, :1] - 1e-12).mean(1)
    return float((p <= 1 - level + 1e-12).mean())


def detectable(sd: float, orders: int, level: float = 0.95) -> float:
    """The difference to the mean random order that is found in 8 of 10 cases; inf: none."""
    steps = np.arange(0.0, 8.0, 0.1)
    found = next((shift for shift in steps if power(float(shift), orders, level) >= 0.8), np.inf)
    return float(sd * found)
