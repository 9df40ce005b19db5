"""A search before it runs: its phases each once, what exists,
and what it would cost, calibrated on what has run here.
"""

from __future__ import annotations

import mlflow_xfer
from tests.end_to_end.conftest import ENCODER, QUICK

TINY = {name: value for name, value in QUICK.items() if name not in ("intermediate", "target")}
SEARCH = {**TINY, "model": ENCODER, "pool": "attribute,nli,types", "target": "choice,mood", "seeds": "0,1"}


def test_a_plan_says_what_is_shared_reused_and_what_it_costs(all_runs):
    text = mlflow_xfer.search(**SEARCH, dry_run=True).summary.plain()
    assert not all_runs(), "a dry run leaves nothing"
    assert "8 trials of 8 candidates" in text and "not calibrated" in text and "confirmation, besides" in text
    bare = mlflow_xfer.plan("search", **SEARCH)
    subsets = 7
    assert len(bare.phases) == 1 + 2 * 2 + subsets * 2 * (1 + 2), (
        "one base, two targets for each seed, and an intermediate for each subset and seed"
    )
    assert bare.search_cost.steps == sum(4 for _ in bare.phases) and bare.search_cost.disk > 0
    assert {phase.kind for phase in bare.phases} == {"pretrain", "intermediate", "target"}, (
        "no test split is read while it searches"
    )
    long = {"intermediate.max_steps": 90}
    pruned, whole = (
        mlflow_xfer.plan("search", **SEARCH | long, pruner=name) for name in ("asha", "wilcoxon")
    )
    assert len(pruned.phases) == len(whole.phases) + subsets * 2 * (1 + 2), (
        "two short chains of every subset, on the first seed"
    )
    assert (
        pruned.search_cost.steps == whole.search_cost.steps + subsets * (10 + 30 + 2 * 2 * 4)
        and "if no trial is pruned" in pruned.text()
    )

    made = mlflow_xfer.transfer(**TINY, model=ENCODER, intermediate="attribute", target="choice", seeds="0")
    planned = mlflow_xfer.plan("search", **SEARCH)
    assert set(planned.existing.values()) < set(made.made) and len(planned.existing) == 3, (
        "base, intermediate and target; not the evaluation"
    )
    assert planned.search_cost.steps == bare.search_cost.steps - 3 * 4
    assert (
        planned.search_cost.seconds > 0
        and planned.search_cost.tokens < bare.search_cost.tokens
        and "calibrated on 3 finished phases" in planned.text()
    )
    assert (
        mlflow_xfer.plan("search", **SEARCH | {"n_trials": 4}).search_cost.steps < planned.search_cost.steps
    )
    asked = mlflow_xfer.plan(**TINY, model=ENCODER, intermediate="attribute", target="mood").text()
    assert "1 to run" not in asked and "calibrated on 2 finished phases" in asked
