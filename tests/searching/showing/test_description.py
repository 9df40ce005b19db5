"""What a search says of its confirmation."""

from __future__ import annotations

import pandas as pd
import pytest

from mlflow_xfer.reporting.verdict import BETTER, verdicts
from mlflow_xfer.searching.deciding.confirmation import Confirmation, Winner
from mlflow_xfer.searching.showing.description import confirmed_table
from mlflow_xfer.searching.space.candidate import Candidate
from mlflow_xfer.stats.frame import cells, check
from mlflow_xfer.stats.means import contrast
from mlflow_xfer.stats.multiplicity import widen

FIRM = (10.0, 10.5, 9.5, 10.2, 9.8)
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
