"""A search on merged weights: what it trains, and that its answer is confirmed jointly."""

from __future__ import annotations

from mlflow_xfer import params
from mlflow_xfer.phases.references import References
from mlflow_xfer.searching.command import plan_of, read
from mlflow_xfer.searching.space.candidate import Candidate

POOL = ("attribute", "nli", "types")


def command(**typed):
    references = References(lambda: None)
    return read(
        params.parse("search", {"pool": ",".join(POOL), "target": "choice", "combine": "merge"} | typed),
        references,
        {},
    ), references


def test_every_subset_is_made_of_the_same_trainings_and_confirmed_jointly():
    searched, references = command(merge_method="ties")
    assert searched.space.given["merge_method"] == "ties", "its coefficients can be searched"
    subsets = [candidate for candidate in searched.space.candidates() if candidate.tasks]
    assert len(subsets) == 7
    plans = [plan_of(searched.transfer(candidate, (0,)), references, {}) for candidate in subsets]
    middle = {
        phase.spec_hash: phase for plan in plans for phase in plan.phases if phase.kind == "intermediate"
    }
    assert sum(phase.procedure == "merge" for phase in middle.values()) == 4 and len(middle) == 4 + 3
    whole = Candidate(POOL)
    assert plan_of(searched.confirmed(whole, (5,)), references, {}).transfers[0].combine == "joint"
    for how, given in (("merge", {"confirm_combine": "merge"}), ("sequential", {"combine": "sequential"})):
        kept, _ = command(**given)
        assert plan_of(kept.confirmed(whole, (5,)), references, {}).transfers[0].combine == how
