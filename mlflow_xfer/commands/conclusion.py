"""What a run found, as its command shows it at its end: read back from the store, whether the command made
the run or took an earlier one.
"""

from __future__ import annotations

from mlflow_xfer.commands import one_seed
from mlflow_xfer.reporting.columns import Summary
from mlflow_xfer.tracking.store import Store


def concluded(store: Store, run_id: str) -> Summary:
    """What the run, or the one that it points to, holds."""
    run = store.answer(run_id)
    if run.kind == "phase" and run.tags.get("xfer.phase") != "evaluate":
        return one_seed.trained(run)
    if run.kind not in ("condition", "study"):
        return one_seed.evaluated(store, run)
    from mlflow_xfer.commands import over_seeds  # with the statistics, which take a second to import

    return over_seeds.condition(store, run) if run.kind == "condition" else over_seeds.study(store, run)
