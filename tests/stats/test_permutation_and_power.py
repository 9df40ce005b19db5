import math

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.power import TTestPower
from statsmodels.stats.weightstats import ttost_paired

from mlflow_xfer.errors import XferError
from mlflow_xfer.stats import permutation, power
from mlflow_xfer.stats.means import difference, smallest_p
from tests.stats.score_tables import table


def test_sign_flip_is_scipys_permutation_test():
    d = np.random.default_rng(0).normal(0.5, 1, 9)
    reference = stats.permutation_test(
        (d,), lambda x, axis: x.mean(axis), permutation_type="samples", vectorized=True, n_resamples=np.inf
    )
    assert permutation.sign_flip(d) == pytest.approx(reference.pvalue)


def test_two_sample_is_scipys_permutation_test():
    rng = np.random.default_rng(1)
    a, b = rng.normal(1, 1, 5), rng.normal(0, 1, 4)
    mean_gap = lambda x, y, axis: x.mean(axis) - y.mean(axis)  # noqa: E731
    reference = stats.permutation_test((a, b), mean_gap, vectorized=True, n_resamples=np.inf)
    # scipy doubles the smaller tail, we count both: equal where arms are of one size, close else
    assert permutation.two_sample(a, b) == pytest.approx(reference.pvalue, abs=0.03)
    assert permutation.two_sample(a[:4], b) == pytest.approx(
        stats.permutation_test((a[:4], b), mean_gap, vectorized=True, n_resamples=np.inf).pvalue
    )


def test_smallest_p_is_reached_and_said():
    assert [smallest_p(n) for n in (2, 3, 5, 6)] == [0.5, 0.25, 0.0625, 0.03125]
    assert permutation.sign_flip(np.array([1.0, 2, 3])) == 0.25
    assert permutation.two_sample(np.array([1.0, 2, 3]), np.array([7.0, 8, 9])) == pytest.approx(
        smallest_p(3, 3)
    )
    found = permutation.permutation_test(table({"none": 0, "mnli": 9}, seeds=3), "mnli", "none")
    assert found.p == 0.25 and "smallest p possible with these seeds: 0.25" in found.notes


def test_ties_and_zeros_are_no_evidence():
    assert permutation.sign_flip(np.zeros(5)) == 1
    assert permutation.two_sample(np.ones(3), np.ones(3)) == 1


def test_random_flips_are_valid_and_repeatable():
    d = np.random.default_rng(0).normal(1, 1, 20)
    assert permutation.sign_flip(d) == permutation.sign_flip(d) > 0
    assert permutation.sign_flip(d) == pytest.approx(stats.ttest_1samp(d, 0).pvalue, abs=0.01)


def test_a_seed_level_test_needs_seeds():
    with pytest.raises(XferError, match="at least two seeds"):
        permutation.permutation_test(table({"none": 0, "mnli": 1}, seeds=1), "mnli", "none")


@pytest.mark.parametrize(("effect", "sd", "n"), [(1, 1, 5), (2, 3, 10), (0.5, 1, 30), (3, 1, 3)])
def test_power_is_statsmodels(effect, sd, n):
    assert power.power(effect, sd, n) == pytest.approx(TTestPower().power(effect / sd, n, 0.05), abs=1e-6)


def test_detectable_effect_and_seeds_undo_power():
    for n in (3, 5, 10, 50):
        found = power.minimum_detectable(3 / math.sqrt(n), n - 1)
        assert power.power(found, 3, n) == pytest.approx(0.8, abs=0.01)
    needed = power.seeds_needed(1.0, 2.0)
    assert power.power(1.0, 2.0, needed) >= 0.8 > power.power(1.0, 2.0, needed - 1)
    assert power.seeds_needed(0.01, 5.0) is None
    with pytest.raises(XferError, match="effect of 0"):
        power.seeds_needed(0, 1)


def test_power_never_falls_with_seeds_or_effect():
    by_seeds = [power.power(1, 2, n) for n in range(2, 80)]
    by_effect = [power.power(e, 2, 6) for e in np.linspace(0.01, 9, 60)]
    assert np.all(np.diff(by_seeds) > -1e-6) and np.all(np.diff(by_effect) > -1e-6)


def test_degenerate_designs():
    assert (
        power.power(1, 1, 1) == 0
        and power.minimum_detectable(math.nan, 3) == math.inf
        and power.minimum_detectable(0, 3) == 0
    )


def test_equivalence_is_statsmodels_tost():
    frame = table({"none": 0, "mnli": 0.1}, seeds=8, seed_sd=0.4)
    means = (
        frame.groupby(["condition", "seed", "task"])["score"]
        .mean()
        .groupby(["condition", "seed"])
        .mean()
        .unstack(0)
    )
    reference = ttost_paired(means["mnli"].to_numpy(), means["none"].to_numpy(), -1, 1)[0]
    assert power.equivalence(difference(frame, "mnli", "none"), 1.0) == pytest.approx(reference, rel=1e-6)


@pytest.mark.parametrize("bases", [1, 3])
@pytest.mark.parametrize("alpha", [0.05, 0.01])
def test_the_margin_at_which_equivalence_is_decided_is_the_end_of_its_interval(bases, alpha):
    """With several bases too, whose quantile is wider than Satterthwaite's."""
    frame = table({"none": 0, "mnli": 0.3}, seeds=4, bases=bases)
    found = difference(frame, "mnli", "none")
    low, high = power.equivalence_interval(found, alpha)
    assert (low + high) / 2 == pytest.approx(found.estimate)
    assert power.equivalence(found, max(-low, high)) == pytest.approx(alpha)
    if bases == 1:
        narrower = difference(frame, "mnli", "none", level=1 - 2 * alpha)
        assert (low, high) == pytest.approx((narrower.low, narrower.high))


def test_equivalence_needs_a_margin_and_an_interval():
    found = difference(table({"none": 0, "mnli": 0}, seeds=1), "mnli", "none")
    assert math.isnan(power.equivalence(found, 1.0))
    assert all(map(math.isnan, power.equivalence_interval(found)))
    with pytest.raises(XferError, match="not positive"):
        power.equivalence(found, 0)


def test_plan_before_the_fact():
    made = power.plan(sd=3, seeds=5, margin=2)
    assert (
        made["minimum_detectable"] > 4
        and made["power_at_margin"] < 0.3
        and made["seeds_needed"] == power.seeds_needed(2, 3)
    )
