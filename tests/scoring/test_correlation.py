"""Correlations of whole samples, against scipy's, with their bootstrap."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from mlflow_xfer.errors import XferError
from mlflow_xfer.kinds.kind import Scoring
from mlflow_xfer.scoring.correlation import correlation, pearson
from mlflow_xfer.scoring.intervals import bootstrap_of_samples

METRICS = {name: correlation(name, "") for name in ("pearson", "spearman")}
THEIRS = {"pearson": stats.pearsonr, "spearman": stats.spearmanr}


def value(name: str, predictions, references) -> float:
    metric = METRICS[name]
    return float(metric.of(metric.gathered(metric.rows(predictions, references, "en"))))


def sample(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    gold = rng.integers(0, 11, n) / 2  # graded pairs have ties
    return gold + rng.normal(0, 1.5, n), gold


@pytest.mark.parametrize("name", METRICS)
def test_values_are_scipys(name):
    for seed, n in enumerate((2, 3, 10, 500)):
        predictions, gold = sample(n, seed)
        expected = 100 * THEIRS[name](predictions, gold).statistic
        assert value(name, predictions, gold) == pytest.approx(expected, abs=1e-9)
        assert value(name, list(-predictions), list(gold)) == pytest.approx(-expected, abs=1e-9)


@pytest.mark.parametrize("name", METRICS)
def test_of_a_constant_side_it_is_0(name):
    for constant in (0.0, 0.1, 1e9):
        assert value(name, [constant] * 7, [1, 2, 3, 4, 5, 6, 7]) == 0
        assert value(name, [1, 2, 3, 4, 5, 6, 7], [constant] * 7) == 0
    assert value(name, [1.0], [2.0]) == 0


@settings(deadline=None, max_examples=100)
@given(st.lists(st.tuples(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6)), min_size=1, max_size=8))
def test_any_numbers_give_a_value_in_range(pairs):
    for name in METRICS:
        assert -100 <= value(name, [p for p, _ in pairs], [g for _, g in pairs]) <= 100


@pytest.mark.parametrize("name", METRICS)
def test_both_correlations_are_components(name):
    predictions, gold = sample(50)
    metric = METRICS[name]
    figures = metric.figures(metric.gathered(metric.rows(predictions, gold, "en")))
    assert set(figures) == {"pearson", "spearman"} and figures["pearson"] != figures["spearman"]
    assert value(name, predictions, gold) == float(figures[name])


@pytest.mark.parametrize("name", METRICS)
def test_many_samples_at_once_are_one_after_the_other(name):
    rng = np.random.default_rng(4)
    samples = rng.integers(0, 5, (6, 20, 2)).astype(float)
    samples[3, :, 0] = 2
    together = METRICS[name].of(samples)
    assert together.tolist() == [float(METRICS[name].of(one)) for one in samples] and together[3] == 0


def test_bootstrap_is_that_of_indices_and_ignores_order(monkeypatch):
    predictions, gold = sample(120)
    rows = np.stack([predictions, gold], axis=1)
    first = bootstrap_of_samples(rows, pearson, seed=3)
    assert first == METRICS["pearson"].limits(rows, 3)
    assert first == bootstrap_of_samples(rows[::-1], pearson, seed=3)
    assert first != bootstrap_of_samples(rows, pearson, seed=4)
    plain = [
        100 * np.corrcoef(rows[np.random.default_rng(seed).integers(0, 120, 120)].T)[0, 1]
        for seed in range(4000)
    ]
    assert first == pytest.approx(np.percentile(plain, [2.5, 97.5]), abs=1.5)
    assert first[0] < value("pearson", predictions, gold) < first[1]
    monkeypatch.setattr("mlflow_xfer.scoring.intervals.HELD", 1)  # one resample at a time
    assert bootstrap_of_samples(rows, pearson, seed=3) == pytest.approx(first, abs=1e-9)


def test_interval_covers():
    """95 % intervals hold the correlation of the population in about 95 of 100 samples."""
    rng, truth, held = np.random.default_rng(7), 60.0, 0
    for seed in range(200):
        rows = rng.multivariate_normal([0, 0], [[1, truth / 100], [truth / 100, 1]], 150)
        low, high = bootstrap_of_samples(rows, pearson, seed=seed, resamples=300)
        held += low <= truth <= high
    assert 0.88 <= held / 200 <= 0.99


def test_what_is_no_number_is_refused():
    with pytest.raises(XferError, match="de: 1 predicted examples for 2 references"):
        METRICS["pearson"].rows([1.0], [1.0, 2.0], "de")
    with pytest.raises(XferError, match="example 2 has a value that is not a finite number"):
        METRICS["pearson"].rows([1.0, float("nan")], [1.0, 2.0], "de")
    for bad in ("high", None):
        with pytest.raises(XferError, match="de: "):
            METRICS["spearman"].rows([1.0, bad], [1.0, 2.0], "de")


def test_there_is_nothing_to_guess():
    found = Scoring().baselines("pearson", [1.0, 2.0], None, None, "en", np.random.default_rng(0))
    assert found == {"chance": 0.0, "majority": 0.0}
