"""What a search says of its confirmation."""

from __future__ import annotations

from types import SimpleNamespace

import pandas as pd
import pytest

from mlflow_xfer.reporting.verdict import BETTER, EQUIVALENT, verdicts
from mlflow_xfer.searching.deciding.confirmation import Confirmation, Winner
from mlflow_xfer.searching.showing.answer_tables import confirmed_table
from mlflow_xfer.searching.showing.description import answer, cost
from mlflow_xfer.searching.space.candidate import Candidate
from mlflow_xfer.stats.blocks import cells
from mlflow_xfer.stats.frame import check
from mlflow_xfer.stats.means import contrast
from mlflow_xfer.stats.multiplicity import widen

FIRM = (10.0, 10.5, 9.5, 10.2, 9.8)
HARM = tuple(-gain for gain in FIRM)
LAST = (6.0, 2.0, 9.0, 1.5, 7.0)  # p = .03


def confirmation(**gains: tuple[float, ...]) -> Confirmation:
    """Candidates of one task each, with these gains over the baseline by seed."""
    scores = {"baseline": (0.0,) * len(FIRM), **gains}
    rows = [
        {"condition": name, "seed": seed, "task": "t", "language": "sw", "score": 50 + gain}
        for name, of_name in scores.items()
        for seed, gain in enumerate(of_name)
    ]
    frame = check(pd.DataFrame(rows))
    base, *blocks = (cells(frame, name) for name in scores)
    found = verdicts(blocks, base, registered=list(gains))
    tests = [widen(contrast(block, base), len(blocks)) for block in blocks]
    winners = [
        Winner(Candidate((name,)), 1.0, 1.0, test, test, one, 50.0, "run")
        for name, test, one in zip(gains, tests, found, strict=True)
    ]
    return Confirmation(tuple(range(len(FIRM))), tuple(winners))


@pytest.mark.parametrize(("last", "explained"), [(LAST, True), (FIRM, False)])
def test_a_firm_verdict_whose_joint_interval_holds_0_is_explained(last, explained):
    found = confirmation(a=FIRM, b=FIRM, c=last)
    assert [one.contrast.verdict for one in found.winners] == [BETTER] * 3
    assert (found.winners[2].test.low < 0) == explained
    table = confirmed_table(found)
    assert table is not None and ("Holm" in table.title) == explained


@pytest.mark.parametrize(
    ("others", "said"),
    [
        ({}, "points on test ("),
        ({"b": FIRM}, "points on test; of the other 1 that were confirmed 0 are: see the table ("),
        ({"b": HARM}, "points on test; so is the other one ("),
        ({"b": HARM, "c": HARM}, "points on test; so are the other 2 that were confirmed ("),
    ],
)
def test_a_named_candidate_that_harms_says_nothing_of_the_others(others, said):
    text = answer(asked("a", *others), confirmation(a=HARM, **others))
    assert text.startswith("**a** is worse than no intermediate task: −10.0") and said in text


def asked(*pool: str) -> SimpleNamespace:
    params = SimpleNamespace(objective=("dev",), margin=1.0, combine="joint", model="m")
    return SimpleNamespace(targets=("t",), params=params, space=SimpleNamespace(pool=pool))


def test_equivalence_is_told_with_the_interval_that_decides_it():
    found = confirmation(a=(-1.14, -0.57, 0.0, 0.57, 1.14))
    (one,) = found.winners
    assert one.contrast.verdict == EQUIVALENT and one.test.high > 1
    assert answer(asked("a"), found).startswith(
        "**a** and no intermediate task are equivalent within 1 point: 0.0 (90 % interval −0.9 to +0.9) on "
        "test (5 fresh seeds that took no part in the choice, paired; interval of this comparison alone;"
    )


def test_what_is_the_same_with_every_seed_is_no_lack_of_power():
    found = confirmation(a=(1.5,) * len(FIRM), b=(0.0,) * len(FIRM))
    text = answer(asked("a", "b"), found)
    assert text.startswith(
        "Undecided, every seed scores the same: **a** against no intermediate task: +1.5 (no interval) "
        "points on test (5 fresh seeds that took no part in the choice, paired; conditional on the base m; "
        "that is nothing to infer from, and more seeds change nothing)."
    )
    table = confirmed_table(found)
    assert table is not None and [row[-1] for row in table.rows] == ["every seed scores the same"] * 2
    assert "power" not in text and "interval joint" not in text


def test_nothing_trained_is_not_compared_with_what_it_would_have_been():
    known = {"tokens": 0.0, "optimizer_steps": 0.0, "seconds": 0.0}
    spent = SimpleNamespace(
        trials={"complete": 2},
        naive=lambda _: 1e6,
        spent=known,
        sharing=known,
        duplicates=known,
        pruning=known,
    )
    assert "tokens. Saved:" in cost(spent) and "inf" not in cost(spent)
    spent.spent = known | {"tokens": 5e5}
    assert "tokens, 2.0 times as many." in cost(spent)
