"""Regret, NDCG and tau by hand and by enumeration of ties; random and the interval over targets."""

from __future__ import annotations

import math
from itertools import permutations

import numpy as np
import pytest

from mlflow_xfer.errors import XferError
from mlflow_xfer.stats.ranking import (
    MEASURES,
    kendall,
    mean_ranks,
    ndcg,
    over_targets,
    quality,
    regret,
    regret_points,
    table,
)

TRUTH = [50.0, 80.0, 60.0, 40.0, 75.0]


def test_by_hand():
    scores = [5, 1, 4, 3, 2]  # 50, 60, 40, 75, 80
    assert [regret_points(TRUTH, scores, k) for k in (1, 2, 3, 4, 5, 9)] == [30, 20, 20, 5, 0, 0]
    assert regret(TRUTH, scores, 1) == pytest.approx(37.5)
    gains, best = [10, 20, 0, 35, 40], [40, 35, 20, 10, 0]
    logs = [math.log2(i + 2) for i in range(5)]
    assert ndcg(TRUTH, scores) == pytest.approx(
        sum(g / d for g, d in zip(gains, logs, strict=True))
        / sum(g / d for g, d in zip(best, logs, strict=True))
    )
    assert ndcg(TRUTH, TRUTH) == pytest.approx(1) and kendall(TRUTH, TRUTH) == pytest.approx(1)
    assert kendall(TRUTH, [-x for x in TRUTH]) == pytest.approx(-1)


@pytest.mark.parametrize("scores", [[0, 0, 0, 0, 0], [1, 1, 0, 0, 0], [2, 0, 1, 1, 1], [3, 1, 1, 3, 2]])
def test_ties_are_the_mean_over_ways_of_breaking_them(scores):
    orders = [
        order
        for order in permutations(range(5))
        if all(scores[a] >= scores[b] for a, b in zip(order, order[1:], strict=False))
    ]
    for measure in (*(lambda t, s, k=k: regret_points(t, s, k) for k in (1, 2, 3, 4)), ndcg):
        strict = [measure(TRUTH, [-order.index(i) for i in range(5)]) for order in orders]
        assert measure(TRUTH, scores) == pytest.approx(np.mean(strict))


def test_nothing_to_tell_apart():
    assert (
        kendall(TRUTH, [1] * 5) == 0
        and math.isnan(kendall([1, 1], [1, 2]))
        and math.isnan(ndcg([1, 1], [1, 2]))
    )
    assert math.isnan(regret([-3, -1], [1, 2], 1)) and regret_points([-3, -1], [2, 1], 1) == 2


def test_mean_ranks_share_ties():
    assert mean_ranks([{"a": 3, "b": 1, "c": 1}, {"a": 0, "b": 9, "c": 5}]) == {
        "a": 2.0,
        "b": 1.75,
        "c": 2.25,
    }


def test_quality_stands_beside_random():
    rng = np.random.default_rng(0)
    truth = {f"t{n}": {f"c{i}": float(50 + 10 * rng.standard_normal()) for i in range(9)} for n in range(12)}
    good = {
        t: {c: value + 3 * rng.standard_normal() for c, value in of.items()} | {"unmeasured": 99.0}
        for t, of in truth.items()
    }
    found = {(q.method, q.measure): q for q in quality(truth, {"good": good})}
    assert len(found) == 2 * len(MEASURES) == 12
    for measure in ("regret@1 %", "regret@3 points"):
        good_one, random = found["good", measure].estimate, found["random", measure].estimate
        assert good_one.low <= good_one.estimate <= good_one.high < random.low
    assert found["random", "Kendall"].estimate.estimate == 0 and found["good", "Kendall"].estimate.low > 0.3
    assert len(found["good", "NDCG"].by_target) == 12
    shown = table(list(found.values()))
    assert list(shown["method"]) == ["good", "random"] and shown.shape == (2, 1 + 3 * len(MEASURES))


def test_the_interval_over_targets_covers():
    rng = np.random.default_rng(1)
    hits = [
        found.low <= 10 <= found.high
        for _ in range(400)
        for found in [over_targets(10 + 3 * rng.standard_normal(6), draws=300)]
    ]
    assert 0.9 < np.mean(hits) < 0.99
    alone = over_targets([4.0])
    assert alone.estimate == 4 and math.isnan(alone.low) and "no interval" in alone.notes[0]


def test_what_cannot_be_judged_is_refused():
    with pytest.raises(XferError, match="fewer than two candidates were measured"):
        quality({"t": {"a": 1.0}}, {})
    with pytest.raises(XferError, match="'m' has no score for t: b"):
        quality({"t": {"a": 1.0, "b": 2.0}}, {"m": {"t": {"a": 1.0}}})
