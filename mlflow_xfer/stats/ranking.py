"""How good a ranking of candidates is against what they really did: regret@k, NDCG and Kendall's tau.

All three take scores, so that ties are ties: a measure is then the mean over the ways of breaking them, and
equal scores for all are the random ranking.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, cast

import numpy as np
import pandas as pd

from mlflow_xfer.errors import XferError
from mlflow_xfer.stats.bootstrap import widened, widening
from mlflow_xfer.stats.estimate import LIKE_THESE, THESE, Estimate, Numbers

RANDOM = "random"
KS = (1, 3)


def regret_points(truth: Numbers, scores: Numbers, k: int) -> float:
    """Best of all minus best among the ``k`` candidates with the highest scores, in the unit of ``truth``."""
    values = np.asarray(truth, float)
    return float(values.max() - _best_among(values, scores, k))


def regret(truth: Numbers, scores: Numbers, k: int) -> float:
    """Regret@k in % of the best (Poth et al. 2021);
    ``nan`` unless the best is above 0: it is for scores, not gains.
    """
    best = float(np.max(truth))
    return 100.0 * regret_points(truth, scores, k) / best if best > 0 else math.nan


def _best_among(truth: np.ndarray, scores: Numbers, k: int) -> float:
    """Mean, over the ways of breaking ties, of the best truth among the first ``k``."""
    best, left = -math.inf, min(k, len(truth))
    for group in tied(scores):
        values = np.sort(truth[group])[::-1]
        if left >= len(group):
            best, left = max(best, values[0]), left - len(group)
            continue
        # The largest of `left` drawn from the group is its j-th with probability C(g-1-j, left-1) / C(g,
        # left).
        chances = (
            [math.comb(len(group) - 1 - j, left - 1) / math.comb(len(group), left) for j in range(len(group))]
            if left
            else []
        )
        return (
            float(sum(p * max(best, v) for p, v in zip(chances, values, strict=True)))
            if chances
            else float(best)
        )
    return float(best)


def ndcg(truth: Numbers, scores: Numbers) -> float:
    """Normalised discounted cumulative gain, 0-1:
    gains are what a candidate has over the worst one, discounts log2.

    Ties share their places' discounts (McSherry & Najork 2008). ``nan`` if all candidates are equally good.
    """
    gains = np.asarray(truth, float) - np.min(truth)
    discounts = 1 / np.log2(np.arange(len(gains)) + 2)
    ideal = float(np.sort(gains)[::-1] @ discounts)
    gain, begin = 0.0, 0
    for group in tied(scores):
        gain += gains[group].sum() * discounts[begin : begin + len(group)].mean()
        begin += len(group)
    return float(gain / ideal) if ideal > 0 else math.nan


def kendall(truth: Numbers, scores: Numbers) -> float:
    """Kendall's tau-b, -1 to 1: 0 where all scores are equal, ``nan`` where all truths are."""
    if len(set(map(float, truth))) < 2:
        return math.nan
    from scipy import stats  # a second of imports, which plans do without

    return (
        float(cast(Any, stats.kendalltau(truth, scores)).statistic)
        if len(set(map(float, scores))) > 1
        else 0.0
    )


def tied(scores: Numbers) -> list[list[int]]:
    """Numbers of the candidates from the highest score down, those of equal score together."""
    order = sorted(range(len(scores)), key=lambda i: -scores[i])
    return [list(group) for _, group in groupby(order, key=lambda i: scores[i])]


def mean_ranks(rankings: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Rank of each candidate (1 = highest score,
    ties share the mean of their places), averaged over the rankings.
    """
    names = list(rankings[0])
    from scipy import stats

    places = [stats.rankdata([-scores[name] for name in names]) for scores in rankings]
    return dict(zip(names, np.mean(places, axis=0).tolist(), strict=True))


MEASURES = {
    **{f"regret@{k} %": lambda truth, scores, k=k: regret(truth, scores, k) for k in KS},
    **{f"regret@{k} points": lambda truth, scores, k=k: regret_points(truth, scores, k) for k in KS},
    "NDCG": ndcg,
    "Kendall": kendall,
}


@dataclass(frozen=True)
class Quality:
    """One measure of one method.

    Attributes:
        estimate: mean over targets, with a bootstrap interval over them.
        by_target: its value for each target.
    """

    method: str
    measure: str
    estimate: Estimate
    by_target: Mapping[str, float] = field(default_factory=dict)


def quality(
    truth: Mapping[str, Mapping[str, float]],
    scores: Mapping[str, Mapping[str, Mapping[str, float]]],
    *,
    draws: int = 2000,
    seed: int = 0,
    level: float = 0.95,
) -> list[Quality]:
    """Every measure of every method, beside a random ranking.

    Args:
        truth: target -> candidate -> what it reached, higher is better.
        scores: method -> target -> candidate -> score. Candidates that were not measured count for nothing.

    Raises:
        XferError: fewer than two candidates of a target were measured, or a method lacks one of them.
    """
    few = [target for target, of_target in truth.items() if len(of_target) < 2]
    if few or not truth:
        raise XferError(
            f"Nothing to rank for {', '.join(few) or 'no target'}: fewer than two candidates were measured."
        )
    for method, of in scores.items():
        if missing := [
            f"{target}: {name}"
            for target in truth
            for name in truth[target]
            if name not in of.get(target, {})
        ]:
            raise XferError(f"Proxy {method!r} has no score for {', '.join(missing)}.")
    constant = {target: dict.fromkeys(of_target, 0.0) for target, of_target in truth.items()}
    qualities = []
    for method, of in {**scores, RANDOM: constant}.items():
        for name, measure in MEASURES.items():
            values = {
                t: measure(list(known.values()), [of[t][c] for c in known]) for t, known in truth.items()
            }
            qualities.append(
                Quality(method, name, over_targets(list(values.values()), draws, seed, level), values)
            )
    return qualities


def over_targets(values: Sequence[float], draws: int = 2000, seed: int = 0, level: float = 0.95) -> Estimate:
    """Mean over targets; the percentile bootstrap is widened for few of them,
    and one target has no interval.
    """
    kept = np.array([value for value in values if math.isfinite(value)])
    n = {"targets": len(kept)}
    if len(kept) < 2:
        note = "one target: no interval" if len(kept) else "not defined for any target"
        return Estimate(
            float(kept.mean()) if len(kept) else math.nan, level=level, population=THESE, n=n, notes=(note,)
        )
    picks = np.random.default_rng(seed).integers(len(kept), size=(draws, len(kept)))
    drawn = kept[picks].mean(axis=1)
    low, high = widened(float(kept.mean()), drawn, widening(len(kept), level), level)
    few = "few targets: the widened bootstrap is a rough guide" if len(kept) < 8 else ""
    return Estimate(
        float(kept.mean()),
        float(low),
        float(high),
        level=level,
        n=n,
        population=LIKE_THESE,
        method="bootstrap over targets",
    ).noted(few)


def table(qualities: Sequence[Quality]) -> pd.DataFrame:
    """One row for each method: the mean of each measure, and its interval in ``… low`` and ``… high``."""
    rows: dict[str, dict[str, float | str]] = {}
    for one in qualities:
        row = rows.setdefault(one.method, {"method": one.method})
        row |= {
            one.measure: one.estimate.estimate,
            f"{one.measure} low": one.estimate.low,
            f"{one.measure} high": one.estimate.high,
        }
    return pd.DataFrame(list(rows.values()))
