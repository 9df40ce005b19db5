"""Rows of a user's data frame as a split: ids of any type, texts that are there."""

from __future__ import annotations

import math

import pandas as pd
import pytest

from mlflow_xfer.errors import XferError
from mlflow_xfer.kinds import kind
from mlflow_xfer.plugin.checkpoint_predictions import _split
from mlflow_xfer.tasks.task import Task

SEARCH = Task("t", "retrieval", "map_at_20", ("en",), {})
LABELS = Task("t", "classification", "accuracy", ("en",), {}, ("x", "y"))


@pytest.mark.parametrize("ids", [[1, 2], [1.0, 2.0], ["1", "2"]])
@pytest.mark.parametrize(
    "gold", [[[2], None], [[2.0], None], [["2"], None], [2.0, None], ["2", None], [2, None]]
)
def test_ids_of_any_type(ids, gold):
    rows = {"id": ids, "source": ["a", None], "target": [None, "b"], "language": "en"}
    found = _split(pd.DataFrame(rows | {"reference": pd.Series(gold, dtype=object)}), SEARCH)
    assert found["id"][:] == ["1", "2"] and found["gold"][:] == [["2"], None]


def test_a_candidate_without_an_id_has_no_number_that_is_taken_for_one():
    table = pd.DataFrame({"source": ["a", None, "c"], "target": [None, "b", "d"], "language": "en"})
    found = _split(table.assign(reference=pd.Series([["1"], None, None], dtype=object)), SEARCH)
    assert found["id"][:] == ["0", "#1", "2"]


@pytest.mark.parametrize("nothing", [None, math.nan])
def test_a_text_that_is_not_there_is_refused(nothing):
    rows = pd.DataFrame({"text_a": ["a", nothing], "language": "en", "reference": ["x", "y"]})
    with pytest.raises(XferError, match="Row 1 of 't' has no text_a"):
        _split(rows, LABELS)


def test_ranked_ids_of_any_type():
    judged = kind.scoring("retrieval")
    table = pd.DataFrame({"prediction": [[1, 2.0]], "reference": [["2"]]})
    found = judged.given(SEARCH, "en", table)
    assert found.predictions == [["1", "2"]] and found.references == [["2"]]
