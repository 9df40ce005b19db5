"""Studies on scores whose truth is planted by benchmarks/planted.py, in fewer draws than there; the bounds
are those of chance at this size (figures of 1,000 draws: benchmarks/planted.md)."""

from __future__ import annotations

import pytest

from mlflow_xfer.reporting.verdict import BETTER, EQUIVALENT, WORSE

DRAWS = 200


@pytest.fixture(scope="module")
def planted(script):
    return script("benchmarks/planted.py")


@pytest.mark.slow
@pytest.mark.parametrize("seeds", [3, 6])
@pytest.mark.parametrize("kind", ["effect", "difference of differences", "two registered contrasts"])
def test_nothing_is_rarely_called_something(planted, kind, seeds):
    assert planted.false_positives(kind, seeds, DRAWS).share <= planted.bound(DRAWS)


@pytest.mark.slow
def test_two_looks_together_cost_what_one_does(planted):
    assert planted.false_over_looks((3, 6), DRAWS).share <= planted.bound(DRAWS)


@pytest.mark.slow
def test_the_printed_power_is_what_is_found(planted):
    found = planted.power_at("effect", 6, 4.0, DRAWS)
    assert found.printed <= found.share + 5 + 8, "8: what chance does to 200 draws"
    assert found.share > 60


@pytest.mark.slow
def test_help_null_and_harm_get_their_verdicts(planted):
    said = planted.verdicts(10, 60)
    assert said["help"][BETTER] >= 90 and said["harm"][WORSE] >= 90
    assert said["null"][EQUIVALENT] >= 60 and said["null"][BETTER] + said["null"][WORSE] <= 17


def test_the_generator_is_bounded_and_has_the_effect_that_is_asked_for(planted):
    import numpy as np

    world = planted.World()
    effect = world.logits(4.0)
    blocks = world.scores(np.random.default_rng(0), 400, {"none": (0, 0), "a": (effect, effect)}, {})
    values = {name: block.values for name, block in blocks.items()}
    assert all(((one >= 0) & (one <= 100)).all() for one in values.values())
    assert values["a"].mean() - values["none"].mean() == pytest.approx(4.0, abs=1.5)


@pytest.mark.slow
def test_an_order_is_told_from_random_ones_where_it_matters(script, planted):
    orders = script("benchmarks/planted_curves.py")
    assert orders.false_positives(100) <= planted.bound(100)
    assert orders.hits(60) > 10 > orders.hits(20, random=6) == 0
