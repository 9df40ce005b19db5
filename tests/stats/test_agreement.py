"""Agreement of a cheap with a dear estimate: by hand, and how often its interval holds."""

from __future__ import annotations

import math

import numpy as np
import pytest

from mlflow_xfer.errors import XferError
from mlflow_xfer.stats.agreement import agreement, correlation, spearman
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
    assert flat.kendall.estimate == flat.spearman.estimate == 0.0 and math.isnan(flat.kendall.low)


@pytest.mark.parametrize("sign", [1, -1])
def test_a_perfect_order_has_no_interval(sign):
    found = agreement({i: [60 + i] for i in range(4)}, {i: [50 + sign * 2 * i] for i in range(4)})
    for one in (found.kendall, found.spearman):
        assert one.estimate == pytest.approx(sign) and math.isnan(one.low) and math.isnan(one.high)
        assert "no interval" in one.notes[0]
    assert str(found.kendall) in str(found) and found.error.low < found.error.estimate


def test_no_interval_leaves_out_its_estimate():
    """Of 20 candidates one exchange leaves Spearman's rho nearer to 1 than the scale goes."""
    draw, given = np.random.default_rng(0), 0
    for n in (5, 10, 20, 40):
        for _ in range(40):
            one = np.arange(float(n))
            other = one + draw.normal(size=n) * draw.choice([0.5, 1.0, 2.0])
            for measure in (kendall, spearman):
                found = correlation(measure, one, other, 0.95, "")
                given += not math.isnan(found.low)
                assert math.isnan(found.low) or found.low <= found.estimate <= found.high
                assert math.isnan(found.low) or found.high - found.low > 1e-6
    assert given > 200


def test_the_interval_holds():
    draw, held, rho, runs = np.random.default_rng(0), 0, 0.8, 150
    tau = 2 / math.pi * math.asin(rho)  # of a bivariate normal
    for _ in range(runs):
        one = draw.normal(size=15)
        found = correlation(kendall, one, rho * one + math.sqrt(1 - rho**2) * draw.normal(size=15), 0.95, "")
        held += found.low <= tau <= found.high
    assert held / runs > 0.90
