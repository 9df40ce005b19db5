"""What a published checkpoint says of the comparison that its condition took part in."""

from __future__ import annotations

import pytest

from mlflow_xfer.commands.publish import _verdict
from mlflow_xfer.tracking.store import Store

ENDS = {"selected/delta": 2.0, "selected/delta_low": -1.0, "selected/delta_high": 5.0}


@pytest.fixture
def condition(own_store):
    """A condition with these metrics, read again."""
    with Store.open() as store:

        def made(metrics):
            run = store.start("condition", "nli", tags={"xfer.tasks": "nli"})
            store.metrics(run, {**ENDS, **metrics})
            store.settle()
            return store.get(run)

        yield made


def test_an_average_over_targets_is_not_said_of_one(condition):
    places = [("0", str(seed)) for seed in range(6)]
    said = _verdict(condition({"n": 6, "delta/choice": 24.0, "delta/pos": -20.0}), places)
    assert "+2.0 [−1.0, +5.0] points" in said
    assert "on average over 2 targets (choice +24.0, pos −20.0), over 6 seeds" in said
    assert "on average" not in _verdict(condition({"n": 6, "delta/choice": 2.0}), places)


def test_bases_are_not_taken_for_seeds(condition):
    places = [(str(base), str(seed)) for base in range(3) for seed in range(3)]
    said = _verdict(condition({"n": 9, "delta/choice": 2.0}), places)
    assert "over 3 bases with 3 seeds each" in said and "few seeds decide little" in said
    five = [("0", str(seed)) for seed in range(5)]
    assert "few seeds" not in _verdict(condition({"n": 5, "delta/choice": 2.0}), five)
