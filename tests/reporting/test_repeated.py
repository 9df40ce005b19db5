"""When a repeat holds: at least 98 % of predictions equal, and no score further off than half a point."""

from __future__ import annotations

import pytest

from mlflow_xfer.reporting.cell import SHORT
from mlflow_xfer.reporting.repeated import Repeated, agreeing, compared

HASH = "a" * 64


def beside(changed: int, moved: float) -> Repeated:
    """100 predictions, so many of them changed, and a score that moved."""
    scores = [{"task": "pos", "language": "de", "score": 70.0, "spec_hash": HASH}]
    file = f"{HASH[:SHORT]}/pos/test-de.tsv"
    first = "\n".join(["NOUN"] * 100).encode()
    again = "\n".join(["VERB"] * changed + ["NOUN"] * (100 - changed)).encode()
    other = [scores[0] | {"score": 70.0 + moved}]
    return Repeated(compared(scores, {file: first}, other, {file: again}, SHORT))


@pytest.mark.parametrize(
    ("changed", "moved", "ok"),
    [(0, 0.0, True), (2, 0.5, True), (3, 0.0, False), (0, -0.51, False)],
)
def test_the_limits(changed, moved, ok):
    found = beside(changed, moved)
    assert found.ok is ok and found.share == 1 - changed / 100
    assert ("NOT" in found.table().plain()) is not ok
    assert found.as_dict()["largest_delta"] == pytest.approx(abs(moved))


def test_what_is_missing_is_not_repeated():
    scores = [{"task": "pos", "language": "de", "score": 70.0, "spec_hash": HASH}]
    found = Repeated(compared(scores, {}, [], {}, SHORT))
    assert not found.ok and found.moved is None and found.share is None
    assert not Repeated([]).ok


def test_what_has_no_scores_is_repeated_where_its_checkpoints_are():
    assert Repeated([], checkpoints=(1, 1)).ok and not Repeated([], checkpoints=(2, 1)).ok
    assert "2 of 2 checkpoints" in Repeated([], checkpoints=(2, 2)).table().plain()
    assert not Repeated(beside(50, 0.0).rows, checkpoints=(1, 1)).ok


def test_answers_are_compared_by_question_and_labels_by_place():
    assert agreeing(b'{"q1": "Paris", "q2": "Rome"}', b'{"q2": "Rome", "q1": "Oslo"}') == (2, 1)
    assert agreeing(b"a\n\nb\n", b"a\n\nc\n") == (2, 1)
    assert agreeing(b"a\nb\n", None) == (2, 0)
    assert agreeing(b"de-1\ten-1\nde-2\ten-2\nde-3\ten-3\n", b"de-2\ten-2\nde-3\ten-3\n") == (3, 2)
