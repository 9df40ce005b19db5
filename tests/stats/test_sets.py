"""Sets as samples: what varies between them is the error, however many seeds there are."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from mlflow_xfer.errors import XferError
from mlflow_xfer.stats.sets import between_sets


def sides(rng, gain: float = 0.0, between: float = 2.0, seeds: int = 5, sets: int = 3, common: float = 3.0):
    """Two sides with sets of their own and seeds that all share."""
    shared = rng.normal(0, common, (1, seeds))
    return [
        [50 + extra + rng.normal(0, between) + shared + rng.normal(0, 0.5, (1, seeds)) for _ in range(sets)]
        for extra in (gain, 0.0)
    ]


def test_it_is_welchs_test_over_the_means_of_sets():
    first, second = sides(np.random.default_rng(0))
    found = between_sets(first, second)
    other = stats.ttest_ind([v.mean() for v in first], [v.mean() for v in second], equal_var=False)
    assert found.p == pytest.approx(other.pvalue) and found.df == pytest.approx(other.df)
    assert found.n == {"sets": 6, "seeds": 5, "bases": 1} and "Welch" in found.method


def test_alike_sets_leave_the_seeds_as_error():
    rng = np.random.default_rng(1)
    first, second = sides(rng, between=0.0, seeds=3)
    first = [values + np.array([[0.0, 9.0, -9.0]]) for values in first]  # seeds to which one side answers
    found = between_sets(first, second)
    assert "per-seed means" in found.method and found.df == 2 and found.high - found.low > 20


def test_the_wider_interval_is_taken_not_the_larger_variance():
    """Two seeds have one degree of freedom: a small spread of theirs makes a wide interval."""
    of_sets = np.array([-1.8, 0.0, 1.8])
    second = [np.full((1, 2), 50.0 + one) for one in of_sets]
    first = [np.array([[60.0, 62.6]]) + one for one in of_sets]
    found = between_sets(first, second)
    by_seed = stats.ttest_1samp([10.0, 12.6], 0).confidence_interval(0.95)
    by_set = stats.ttest_ind([v.mean() for v in first], [v.mean() for v in second], equal_var=False)
    assert by_set.confidence_interval(0.95).low == pytest.approx(7.2, abs=0.1), "the narrower one"
    assert (found.low, found.high) == pytest.approx((by_seed.low, by_seed.high)) and found.df == 1
    assert "per-seed means" in found.method and "wider than over sets" in found.method


def test_it_covers_where_sets_vary():
    rng = np.random.default_rng(2)
    found = [between_sets(*sides(rng, gain=4.0)) for _ in range(2000)]
    inside = sum(one.low <= 4.0 <= one.high for one in found)
    assert 0.94 <= inside / 2000 <= 0.985


def test_two_sets_are_no_sample():
    first, second = sides(np.random.default_rng(3), sets=2)
    with pytest.raises(XferError, match="Give 3 a side"):
        between_sets(first, second)
