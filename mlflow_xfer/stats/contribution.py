"""Which intermediate task contributes what, from scores of evaluated subsets.

Two estimates. Ridge regression with pairwise terms works on whatever subsets a search evaluated, and says
"cannot tell" when it predicts left-out subsets no better than their mean. Shapley values from random nested
orders are unbiased, but need runs of their own (a search picks subsets by their scores, which biases Shapley
values computed from them).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
from scipy import special

from mlflow_xfer.errors import XferError

PENALTIES = np.logspace(-3, 3, 25)
SHUFFLES = 199


@dataclass(frozen=True)
class Contributions:
    """``effects``: columns term, effect (points), low, high, vif, subsets_with. ``fit``: leave-one-subset-out
    R^2 (0 = the mean); ``p``: share of shuffled scores that are fitted as well."""

    effects: pd.DataFrame
    verdict: str  # "ranked" or "cannot tell"
    fit: float
    p: float
    rank: int
    terms: int
    subsets: int
    penalty: float
    notes: tuple[str, ...]


def _design(subsets: Sequence[frozenset[str]], pairs: bool) -> tuple[list[str], np.ndarray]:
    names = sorted(set().union(*subsets))
    columns = {name: np.array([name in s for s in subsets], float) - 0.5 for name in names}
    if pairs:
        for a, b in combinations(names, 2):
            both = {(a in s, b in s) for s in subsets}
            if len(both) == 4:  # all four combinations seen: else the pair cannot be told from its members
                columns[f"{a} x {b}"] = 2 * columns[a] * columns[b]
    varied = {name: column for name, column in columns.items() if np.ptp(column) > 0}
    return list(varied), np.column_stack(list(varied.values())) if varied else np.empty((len(subsets), 0))


def _solve(x: np.ndarray, penalty: float, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """``(coefficients of y, leave-one-out residuals of y)`` as matrices,
    for weighted ridge regression with a free intercept.
    """
    design = np.column_stack([np.ones(len(x)), x])
    gram = (design * weights[:, None]).T @ design + penalty * np.diag([0.0, *np.ones(x.shape[1])])
    solution = np.linalg.pinv(gram) @ (design * weights[:, None]).T
    hat = design @ solution
    return solution[1:], (np.eye(len(x)) - hat) / np.maximum(1 - np.diag(hat), 1e-6)[:, None]


def _fit(x: np.ndarray, y: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """``(coefficients, penalty, leave-one-out R^2)`` of the columns of ``y[subset,
    ...]``, each with the penalty that predicts best.
    """
    solved = [_solve(x, p, weights) for p in PENALTIES]
    errors = np.array([(weights[:, None] * (left_out @ y) ** 2).sum(0) for _, left_out in solved])
    best = errors.argmin(0)
    share = weights / weights.sum()
    from_mean = (weights[:, None] * ((y - share @ y) / (1 - share)[:, None]) ** 2).sum(0)
    fit = np.where(from_mean > 0, 1 - errors.min(0) / np.where(from_mean > 0, from_mean, 1), 0.0)
    effects = np.column_stack([solved[k][0] @ y[:, i] for i, k in enumerate(best)])
    return effects, PENALTIES[best], fit


def _fit_p(x: np.ndarray, y: np.ndarray, weights: np.ndarray, fit: float) -> float:
    """How often shuffled scores are predicted as well:
    choosing the best penalty makes even noise look predictable now and then.
    """
    rng = np.random.default_rng(0)
    shuffled = np.column_stack([rng.permutation(y) for _ in range(SHUFFLES)])
    return float((1 + (_fit(x, shuffled, weights)[2] >= fit).sum()) / (1 + SHUFFLES))


def ridge(frame: pd.DataFrame, *, pairs: bool = True, level: float = 0.95) -> Contributions:
    """Average effect of adding each task (and each pair beyond its members), from scored subsets.

    Args:
        frame: columns ``tasks`` (names joined by ``+`` or ``,``; empty or ``none`` for no task), ``seed``,
            ``score``.

    Model: score = mean + main effects + pairs + noise, coded +-1/2, coefficients shrunk (so effects are
    cautious); subsets weighted by their seeds. Intervals: leave one seed out (jackknife), t(seeds - 1).
    Limits: effects hold for subsets like those evaluated.

    Raises:
        XferError: missing columns, fewer than 4 subsets.
    """
    lacking = {"tasks", "seed", "score"} - set(frame.columns)
    if lacking:
        raise XferError(
            f"The table lacks the columns {', '.join(sorted(lacking))}.", "Needed: tasks, seed, score"
        )
    subsets = frame["tasks"].map(_members)
    rows = frame.assign(tasks=subsets)
    unique = sorted(set(subsets), key=lambda s: (len(s), sorted(s)))
    if len(unique) < 4:
        raise XferError(
            f"{len(unique)} different subsets: contributions need at least 4.", "Evaluate more subsets."
        )
    terms, x = _design(unique, pairs)
    if not terms:
        raise XferError("Every task is in every subset.", "Evaluate subsets with and without each task.")
    y, weights = _means(rows, unique)
    effects, penalty, fit = (v[..., 0] for v in _fit(x, y[:, None], weights))
    p = _fit_p(x, y, weights, float(fit))
    seeds = sorted(rows["seed"].unique())
    low = high = np.full(len(terms), math.nan)
    notes = []
    if len(seeds) >= 3:
        left_out = np.array([_refit(rows[rows["seed"] != seed], unique, x) for seed in seeds])
        se = np.sqrt((len(seeds) - 1) * left_out.var(0))
        half = se * float(special.stdtrit(len(seeds) - 1, 0.5 + level / 2))
        low, high = effects - half, effects + half
    else:
        notes.append(f"{len(seeds)} seeds: no intervals (at least 3)")
    rank = int(np.linalg.matrix_rank(np.column_stack([np.ones(len(x)), x]))) - 1
    if rank < len(terms):
        notes.append(f"{len(terms)} terms but rank {rank}: some effects are not told apart, only their sums")
    verdict = "ranked" if fit > 0 and p <= 1 - level else "cannot tell"
    if verdict == "cannot tell":
        notes.append(
            "the regression predicts left-out subsets no better than it predicts shuffled scores, or than "
            "their mean"
        )
    table = pd.DataFrame(
        {
            "term": terms,
            "effect": effects,
            "low": low,
            "high": high,
            "vif": _vif(x),
            "subsets_with": [sum(set(t.split(" x ")) <= s for s in unique) for t in terms],
        }
    )
    table = table.sort_values("effect", ascending=False, ignore_index=True)
    return Contributions(
        table, verdict, float(fit), p, rank, len(terms), len(unique), float(penalty), tuple(notes)
    )


def _members(tasks: str) -> frozenset[str]:
    names = str(tasks).replace(",", "+").split("+")
    return frozenset(name.strip() for name in names if name.strip() and name.strip() not in ("none", "nan"))


def _means(rows: pd.DataFrame, unique: list[frozenset[str]]) -> tuple[np.ndarray, np.ndarray]:
    groups = rows.groupby("tasks")["score"].agg(["mean", "size"])
    groups = groups.reindex(unique)
    return groups["mean"].to_numpy(), groups["size"].to_numpy(float)


def _refit(rows: pd.DataFrame, unique: list[frozenset[str]], x: np.ndarray) -> np.ndarray:
    y, weights = _means(rows, unique)
    seen = np.isfinite(y)
    return _fit(x[seen], y[seen, None], weights[seen])[0][:, 0]


def _vif(x: np.ndarray) -> np.ndarray:
    """Variance inflation of each column by the others; infinite where it is their combination."""
    found = []
    for i in range(x.shape[1]):
        others = np.column_stack([np.ones(len(x)), np.delete(x, i, 1)])
        rest = x[:, i] - others @ np.linalg.lstsq(others, x[:, i], rcond=None)[0]
        total = ((x[:, i] - x[:, i].mean()) ** 2).sum()
        found.append(total / (rest**2).sum() if (rest**2).sum() > 1e-9 * total else math.inf)
    return np.array(found)


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
    found = []
    for task, gains in rows[rows["position"] > 0].groupby("task")["gain"]:
        n, mean = len(gains), float(gains.mean())
        half = (
            float(gains.std(ddof=1)) / math.sqrt(n) * float(special.stdtrit(n - 1, 0.5 + level / 2))
            if n > 1
            else math.nan
        )
        found.append((task, mean, mean - half, mean + half, n))
    table = pd.DataFrame(found, columns=["task", "value", "low", "high", "orders"])
    return table.sort_values("value", ascending=False, ignore_index=True)
