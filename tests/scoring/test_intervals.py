"""Intervals: known values, coverage, and that the bootstrap over distinct rows is the plain bootstrap."""

from __future__ import annotations

import numpy as np
import pytest

from mlflow_xfer.proportions import wilson
from mlflow_xfer.scoring.intervals import bootstrap
from mlflow_xfer.scoring.score import metric_of, score


def test_wilson_known_value():
    # Newcombe 1998, table I: 81 of 263 gives 0.2553 to 0.3662
    assert wilson(81, 263) == pytest.approx((25.53, 36.62), abs=0.005)
    assert wilson(0, 20)[0] == 0 and wilson(20, 20)[1] == 100


def test_wilson_covers():
    rng = np.random.default_rng(1)
    draws = rng.binomial(200, 0.9, 2000)
    bounds = [wilson(d, 200) for d in draws]
    assert 0.93 < np.mean([low <= 90 <= high for low, high in bounds]) < 0.97


def test_bootstrap_is_deterministic_and_ignores_order():
    rows = np.random.default_rng(0).integers(0, 4, (300, 11))
    of = metric_of("tag_f1").of
    first = bootstrap(rows, of, seed=3)
    assert first == bootstrap(rows[::-1], of, seed=3) != bootstrap(rows, of, seed=4)


def test_bootstrap_equals_resampling_indices():
    rng = np.random.default_rng(2)
    gold = rng.integers(1, 5, 400)
    correct = rng.binomial(gold, 0.7)
    rows = np.stack([correct, gold, gold], axis=1)
    of = metric_of("bucc_f1").of
    plain = of(rows[rng.integers(0, 400, (4000, 400))].sum(axis=1))
    assert bootstrap(rows, of, resamples=4000) == pytest.approx(np.percentile(plain, [2.5, 97.5]), abs=0.3)


def test_f1_interval_covers():
    """95 % intervals of a tagger's F1 hold the F1 of the population in about 95 of 100 samples."""
    rng = np.random.default_rng(5)
    of = metric_of("bucc_f1").of
    gold = rng.integers(1, 6, 20000)
    population = np.stack([rng.binomial(gold, 0.6), rng.poisson(gold), gold], axis=1)
    population[:, 1] = np.maximum(population[:, 0], population[:, 1])
    truth = of(population.sum(axis=0))
    held = 0
    for seed in range(200):
        low, high = bootstrap(population[rng.integers(0, len(population), 300)], of, seed=seed, resamples=300)
        held += low <= truth <= high
    assert 0.89 <= held / 200 <= 0.99


def test_answers_that_are_all_wrong_or_all_right_are_no_certainty():
    gold = [["B-PER", "O"]] * 12
    for said, right in (([["O", "O"]] * 12, 0), (gold, 12)):
        found = score("entity_f1", said, gold, "en")
        assert (found.low, found.high) == wilson(right, 12) and found.high - found.low > 20
    found = score("squad", ["no"] * 12, [["yes"]] * 12, "en")
    assert (found.value, found.low, found.high) == (0, *wilson(0, 12))
