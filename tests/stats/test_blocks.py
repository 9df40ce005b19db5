"""Blocks of scores of one condition."""

import numpy as np
import pytest

from mlflow_xfer.errors import XferError
from mlflow_xfer.stats.blocks import cells, pair
from mlflow_xfer.stats.frame import check
from mlflow_xfer.stats.means import difference
from tests.stats.score_tables import table

GOOD = table({"none": 0, "mnli": 2}, seeds=3)


def test_missing_cells_are_listed():
    hole = GOOD.drop(
        GOOD[(GOOD["condition"] == "mnli") & (GOOD["language"] == "sw") & (GOOD["seed"] == 2)].index
    )
    with pytest.raises(XferError) as error:
        difference(hole, "mnli", "none")
    assert (
        "2 cells are missing" in str(error.value)
        and "language=sw" in str(error.value)
        and "seed=2" in str(error.value)
    )
    with pytest.raises(XferError, match="exist in one condition only"):
        difference(GOOD[(GOOD["condition"] == "none") | (GOOD["language"] != "sw")], "mnli", "none")


def test_unknown_conditions_are_suggested():
    with pytest.raises(XferError, match="Did you mean 'mnli'"):
        difference(GOOD, "mnl", "none")


def test_seeds_numbered_apart_per_base_are_nested():
    frame = table({"none": 0}, bases=2, seeds=3)
    apart = frame.assign(seed=frame["seed"] + 10 * frame["base_seed"])
    assert cells(check(apart), "none").values.shape == (2, 3, 16)
    np.testing.assert_allclose(cells(check(apart), "none").values, cells(check(frame), "none").values)


def test_by_language_keeps_every_seeds_mean():
    uneven = GOOD[(GOOD["task"] == "udpos") | GOOD["language"].isin(["en", "de", "sw"])]
    block, _ = pair(check(uneven), "mnli", "none")
    x, weights = block.by_language()
    np.testing.assert_allclose(x @ weights, block.values @ block.weights)
    assert weights.sum() == pytest.approx(1) and len(weights) == 8
