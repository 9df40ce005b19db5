"""Which intermediate task contributes what, from scores of evaluated subsets.

Shapley values from random nested orders are unbiased, but need runs of their own: a search picks subsets by
their scores, which biases Shapley values computed from them.
"""

from __future__ import annotations

import math

import pandas as pd
from scipy import special

from mlflow_xfer.errors import XferError


def shapley(frame: pd.DataFrame, level: float = 0.95) -> pd.DataFrame:
    """Shapley values from random nested orders: columns task, value, low, high, orders.

    Args:
        frame: columns ``order`` (an id), ``position`` (0 = before any task), ``task`` (the one added; ignored
            at 0), ``score``; each order is complete, from no task to all. Orders are drawn at random; each
            has its own seed, or all seeds alike.

    Unit: the order. Unbiased for any score (Castro, Gómez & Tejada 2009); intervals are t over orders.

    Raises:
        XferError: orders that are not complete, listed.
    """
    lacking = {"order", "position", "task", "score"} - set(frame.columns)
    if lacking:
        raise XferError(
            f"The table lacks the columns {', '.join(sorted(lacking))}.",
            "Needed: order, position, task, score",
        )
    rows = frame.groupby(["order", "position"], as_index=False).agg(
        task=("task", "first"), score=("score", "mean")
    )
    tasks = set(rows.loc[rows["position"] > 0, "task"])
    bad = [
        o
        for o, r in rows.groupby("order")
        if set(r.loc[r["position"] > 0, "task"]) != tasks
        or list(r["position"]) != list(range(len(tasks) + 1))
    ]
    if bad:
        raise XferError(
            f"{len(bad)} orders are not complete: {', '.join(map(str, bad[:5]))}",
            f"Each runs from no task to all {len(tasks)}.",
        )
    rows = rows.sort_values(["order", "position"])
    rows["gain"] = rows.groupby("order")["score"].diff()
    contributions = []
    for task, gains in rows[rows["position"] > 0].groupby("task")["gain"]:
        n, mean = len(gains), float(gains.mean())
        half = (
            float(gains.std(ddof=1)) / math.sqrt(n) * float(special.stdtrit(n - 1, 0.5 + level / 2))
            if n > 1
            else math.nan
        )
        contributions.append((task, mean, mean - half, mean + half, n))
    table = pd.DataFrame(contributions, columns=["task", "value", "low", "high", "orders"])
    return table.sort_values("value", ascending=False, ignore_index=True)
