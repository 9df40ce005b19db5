"""Agreement of a cheap with a dear estimate: by hand, and how often its interval holds."""

from __future__ import annotations

import math

import numpy as np
import pytest

from mlflow_xfer.errors import XferError
from mlflow_xfer.stats.agreement import agreement, correlation
from mlflow_xfer.stats.ranking import kendall


def test_by_hand():
    joint = {"a": [60.0, 64.0], "b": [70.0, 70.0], "c": [50.0, 52.0], "d": [55.0], "only joint": [99.0]}
    merged = {"a": [60.0], "b": [61.0], "c": [50.0], "d": [49.0], "only merged": [0.0]}
    found = agreement(joint, merged)
    assert (
        found.n == 4
        and found.kendall.estimate == pytest.approx(4 / 6)
        and found.spearman.estimate == pytest.approx(0.8)
    )
    assert found.error.estimate == pytest.approx(
        (2 + 9 + 1 + 6) / 4
    ) and found.bias.estimate == pytest.approx(-18 / 4)
    assert found.regret == 0.0 and found.random_regret == pytest.approx(70 - (62 + 70 + 51 + 55) / 4)
    assert found.kendall.low < 4 / 6 < found.kendall.high < 1
    worst = agreement(joint, {"a": [0.0], "b": [-1.0], "c": [5.0], "d": [0.5]})
    assert worst.regret == pytest.approx(70 - 51) and worst.kendall.estimate < 0


def test_too_few_and_constant():
    with pytest.raises(XferError, match="1 candidates have both"):
        agreement({"a": [1.0], "b": [2.0]}, {"b": [2.0], "c": [1.0]})
    few = agreement({"a": [1.0], "b": [2.0]}, {"a": [1.0], "b": [2.0]})
    assert few.kendall.estimate == 1.0 and math.isnan(few.kendall.low)
    flat = agreement({name: [n] for n, name in enumerate("abcdef")}, {name: [3.0] for name in "abcdef"})
    assert flat.kendall.estimate == flat.spearman.estimate == 0.0


def test_the_interval_holds():
    draw, held, rho, runs = np.random.default_rng(0), 0, 0.8, 150
    tau = 2 / math.pi * math.asin(rho)  # of a bivariate normal
    for _ in range(runs):
        one = draw.normal(size=15)
        found = correlation(kendall, one, rho * one + math.sqrt(1 - rho**2) * draw.normal(size=15), 0.95, "")
        held += found.low <= tau <= found.high
    assert held / runs > 0.90
