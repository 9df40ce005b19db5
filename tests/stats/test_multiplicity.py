import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests

from mlflow_xfer.errors import XferError
from mlflow_xfer.stats.means import difference
from mlflow_xfer.stats.multiplicity import e_process, holm, spending, widen
from tests.stats.score_tables import table

P = st.lists(st.floats(0, 1), min_size=1, max_size=12)


@settings(max_examples=30, deadline=None)
@given(P)
def test_holm_is_statsmodels(values):
    assert holm(values) == pytest.approx(multipletests(values, method="holm")[1])


@settings(max_examples=30, deadline=None)
@given(P, st.randoms())
def test_order_does_not_matter(values, order):
    index = list(range(len(values)))
    order.shuffle(index)
    assert holm([values[i] for i in index]) == pytest.approx(holm(values)[index])


def test_missing_p_counts_as_a_test():
    assert holm([0.02, np.nan, np.nan])[0] == pytest.approx(0.06) and np.isnan(holm([0.02, np.nan])[1])
    with pytest.raises(XferError, match="not a p-value"):
        holm([1.2])


def test_e_process_is_the_bayes_factor_of_its_definition():
    """Numerically: integral over effect size of the noncentral t density,
    against the central one (Gönen et al. 2005).
    """
    from scipy import integrate, stats

    x = np.array([0.8, 1.9, -0.3, 1.1, 2.0])
    for n in (3, 5):
        t = x[:n].mean() / (x[:n].std(ddof=1) / np.sqrt(n))
        top, _ = integrate.quad(
            lambda d, n=n, t=t: stats.nct.pdf(t, n - 1, d * np.sqrt(n)) * stats.norm.pdf(d), -8, 8
        )
        assert e_process(x)[n - 1] == pytest.approx(top / stats.t.pdf(t, n - 1), rel=1e-3)


def test_e_process_holds_at_every_look_and_finds_effects():
    rng = np.random.default_rng(0)
    null = (e_process(rng.normal(0, 3, (4000, 25))) >= 20).any(-1).mean()
    assert null <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 4000)
    assert (e_process(rng.normal(4, 3, (500, 25))) >= 20).any(-1).mean() > 0.9
    looked = [stats_p(row) for row in rng.normal(0, 3, (300, 10))]
    assert np.mean(looked) > 0.1  # what it replaces: a t test after each of ten seeds


def stats_p(row):
    from scipy import stats

    return any(stats.ttest_1samp(row[:n], 0).pvalue <= 0.05 for n in range(2, len(row) + 1))


def test_e_process_does_not_care_for_scale_and_starts_at_one():
    x = np.array([1.0, 2.0, -0.5, 3.0])
    assert e_process(x) == pytest.approx(e_process(100 * x)) and e_process(x)[0] == 1
    assert e_process(np.zeros(4)) == pytest.approx(1 / np.sqrt(1 + np.arange(1, 5)), abs=0.3)


def test_spending_spends_all_and_late():
    levels = spending(4)
    assert levels.sum() == pytest.approx(0.05) and np.all(np.diff(levels) > 0)
    assert spending(1) == pytest.approx([0.05])
    with pytest.raises(XferError):
        spending(0)


def test_an_interval_is_wider_for_several_winners():
    single = difference(table({"none": 0, "a": 0.5}, seeds=10, seed_sd=3), "a", "none")
    assert widen(single, 2).high > single.high and widen(single, 1).high == pytest.approx(single.high)
