"""Foretold gains: coverage on groups that were left out, width, and silence where nothing is known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from mlflow_xfer.errors import XferError
from mlflow_xfer.stats.prediction import Known, foretell, leave_one_group_out, ridge, unconditional


def drawn(groups: int, rows: int = 20, told: float = 8.0, noise: float = 2.0, seed: int = 0) -> Known:
    """Gains that a feature decides, up to noise and an offset of the group."""
    draws = np.random.default_rng(seed)
    group = np.repeat(np.arange(groups), rows)
    x = draws.normal(size=(groups * rows, 2))
    y = told * x[:, 0] + draws.normal(scale=noise, size=len(x)) + draws.normal(size=groups)[group]
    return Known(x, y, group, np.array(["all"] * len(x)))


def test_intervals_cover_unseen_groups_and_are_narrow_where_features_tell():
    found = [leave_one_group_out(drawn(20, seed=seed)) for seed in range(5)]
    assert 88 <= np.mean([one.coverage for one in found]) <= 93
    assert np.mean([one.ratio for one in found]) < 0.5
    assert all(one.told == one.rows == 400 for one in found)
    assert min(one.sign for one in found) > 90 and min(one.decided for one in found) > 100


def test_where_features_tell_nothing_intervals_are_no_narrower():
    found = leave_one_group_out(drawn(20, told=0.0))
    assert 0.9 < found.ratio < 1.2 and found.covered_without > 80


def test_nothing_is_told_of_strata_that_few_groups_have():
    known = drawn(5)
    known.strata[known.groups < 2] = "rare"
    found = foretell(known, known.x[:3], ["rare", "all", "new"])
    assert found.told.tolist() == [False, True, False]
    assert math.isnan(found.low[0]) and found.low[1] < found.middle[1] < found.high[1]
    for groups in (2, 3):
        silent = leave_one_group_out(drawn(groups))
        assert silent.told == 0 and math.isnan(silent.coverage) and silent.rows == len(drawn(groups).y)


def test_groups_count_alike_whatever_their_size():
    x, y = np.zeros((11, 1)), np.array([0.0] * 10 + [10.0])
    known = Known(x, y, np.array([0] * 10 + [1]), np.array(["all"] * 11))
    assert ridge(x, y, np.array([0.55] * 10 + [5.5]), x[:1])[0] == pytest.approx(5.0)
    assert unconditional(known, 1).high[0] == 10.0, "half of the weight is the small group's"


def test_bad_input():
    one = drawn(2)
    with pytest.raises(XferError, match="of one group"):
        one.chosen(one.groups == 0)
    with pytest.raises(XferError, match="not finite"):
        Known(one.x, one.y * math.nan, one.groups, one.strata)
    with pytest.raises(XferError, match="different lengths"):
        Known(one.x, one.y[1:], one.groups, one.strata)
