"""How unequal a model is across languages:
tau, and its ratio between two conditions.

Primary is tau: the standard deviation across languages of the logit score with the sampling variance of the
scores removed. The plain
sd of scores is not a measure of inequality alone: test noise adds to it, and it shrinks as scores approach
100, so an arm that only raises the mean looks less variable (ratio .93 at 300 examples, .88 at 100, true
ratio 1). English is left out: it is the training language.

Population: languages like these, given these models. Two arms are compared by swapping them within languages,
all tasks of a language at once; tasks are pooled by random-effects meta-analysis of the log ratios.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any, cast

import numpy as np
import pandas as pd
from scipy import special, stats

from mlflow_xfer.errors import XferError
from mlflow_xfer.stats.blocks import Cells, pair
from mlflow_xfer.stats.estimate import LIKE_THESE, Estimate, varies
from mlflow_xfer.stats.frame import check, correlated, in_others
from mlflow_xfer.stats.pooling import SURE, random_effects

FLOOR = 1e-3  # of tau^2 on logit scale: below it two spreads are both "none"
SWAPS = 4000  # random swaps beyond 10 languages
DEFAULT_EXAMPLES = 1000  # only for the continuity correction where n is unknown
NORMAL = float(special.ndtri(0.975))
NO_ODDS = "no tau: a correlation is no share of right answers and has no odds"


def logit(score: np.ndarray, n: np.ndarray | float = DEFAULT_EXAMPLES) -> np.ndarray:
    """Log odds of a score of 0-100, half an example away from 0 and 100 so that it stays finite."""
    share = (np.asarray(score, float) / 100 * n + 0.5) / (n + 1)
    return np.log(share / (1 - share))


@dataclass(frozen=True)
class Levels:
    """One arm's languages on logit scale:
    ``level[..., language]`` (mean over seeds) and its sampling variance ``noise``.
    """

    level: np.ndarray
    noise: np.ndarray

    def tau2(self) -> np.ndarray:
        """Variance across languages less the mean sampling variance;
        below 0 where noise explains all of it.
        """
        return self.level.var(-1, ddof=1) - self.noise.mean(-1)

    def drop(self, i: int) -> Levels:
        return Levels(np.delete(self.level, i, -1), np.delete(self.noise, i, -1))

    def centred(self) -> Levels:
        return replace(self, level=self.level - self.level.mean(-1, keepdims=True))


def levels(scores: np.ndarray, n: np.ndarray | float | None) -> Levels:
    """Levels of ``scores[..., seed, language]`` with ``n`` test examples per language (``None``: unknown).

    Sampling variance of a language's mean over seeds: the binomial variance of its test set, which all seeds
    share, beyond what differs between seeds, plus the seed x language mean square over the number of seeds.
    Nothing is subtracted that the data do not show: with unknown ``n`` and one seed that is 0.
    """
    scores = np.asarray(scores, float)
    size = DEFAULT_EXAMPLES if n is None else n
    odds = logit(scores, size)
    seeds, languages = scores.shape[-2:]
    share = special.expit(odds)
    binomial = (1 / (size * share * (1 - share))).mean(-2) if n is not None else np.zeros(odds.mean(-2).shape)
    if seeds < 2:
        return Levels(odds.mean(-2), binomial)
    rest = (
        odds
        - odds.mean(-1, keepdims=True)
        - odds.mean(-2, keepdims=True)
        + odds.mean((-2, -1), keepdims=True)
    )
    square = (rest**2).sum((-2, -1))[..., None] / ((seeds - 1) * max(languages - 1, 1))
    return Levels(odds.mean(-2), np.maximum(binomial - square, 0) + square / seeds)


def log_ratio(first: Levels, second: Levels) -> np.ndarray:
    """log(tau_first / tau_second), each tau^2 at least ``FLOOR``."""
    return 0.5 * (np.log(np.maximum(first.tau2(), FLOOR)) - np.log(np.maximum(second.tau2(), FLOOR)))


def jackknife(first: Levels, second: Levels) -> tuple[np.ndarray, np.ndarray]:
    """``(log ratio, standard error)`` by leaving out one language at a time (Miller 1974);
    df = languages - 1.
    """
    languages = first.level.shape[-1]
    left_out = np.stack([log_ratio(first.drop(i), second.drop(i)) for i in range(languages)])
    return log_ratio(first, second), np.sqrt((languages - 1) * left_out.var(0))


def swap_p(
    firsts: Sequence[Levels],
    seconds: Sequence[Levels],
    places: Sequence[Sequence[int]] | None = None,
    *,
    seed: int = 0,
    random: int = SWAPS,
) -> float:
    """Two-sided p of equal spread: arms swapped within languages, all tasks of a language at once.

    ``places``: per task, which languages its columns are, counted over all tasks; by default the same ones in
    every task. Arms are centred first (a higher mean is no difference in spread), which makes swapped spreads
    a little too alike; the null is stretched by ``sqrt(L / (L - 1))`` for it, L of the smallest task.
    Measured: 1-6 % false positives at nominal 5 %, also with t-distributed effects; without the stretch up to
    7 %. Five languages cannot reach .05 (at best .09), six can (.046).
    """
    firsts, seconds = [f.centred() for f in firsts], [s.centred() for s in seconds]
    least = min(f.level.shape[-1] for f in firsts)
    places = places or [range(least)] * len(firsts)
    languages = 1 + max(max(columns) for columns in places)
    if languages <= 10:
        swaps = np.array(list(product((False, True), repeat=languages)))
    else:
        swaps = np.random.default_rng(seed).random((random, languages)) < 0.5
        swaps[0] = False

    def swapped(f: Levels, s: Levels, columns: Sequence[int]) -> np.ndarray:
        own = swaps[:, list(columns)]
        a = Levels(np.where(own, s.level, f.level), np.where(own, s.noise, f.noise))
        b = Levels(np.where(own, f.level, s.level), np.where(own, f.noise, s.noise))
        return log_ratio(a, b)

    observed = np.mean([log_ratio(f, s) for f, s in zip(firsts, seconds, strict=True)])
    null = np.mean([swapped(f, s, c) for f, s, c in zip(firsts, seconds, places, strict=True)], axis=0)
    stretch = math.sqrt(least / (least - 1))
    return float((1 + (np.abs(null) * stretch >= abs(observed) - 1e-12).sum()) / (1 + len(null)))


def sizes_of(frame: pd.DataFrame, condition: str, units: Sequence[tuple[str, str]]) -> np.ndarray | None:
    """[units] how many independent test examples stand behind a condition's scores; None where that is not
    known. Where scores have intervals of their own (95 %), as many as give a share of right answers that
    width: sentences with many tags say more than as many single answers."""
    n = frame["n"].astype(float) if "n" in frame else pd.Series(math.nan, frame.index)
    if {"low", "high"} <= set(frame):
        share, se = frame["score"] / 100, (frame["high"] - frame["low"]) / 100 / (2 * NORMAL)
        n = (share * (1 - share) / se**2).where((se > 0) & (share > 0) & (share < 1), n)
    if n.isna().any():
        return None
    rows = frame[["task", "language"]].assign(noise=1 / n)[frame["condition"] == condition]
    noise = rows.groupby(["task", "language"], observed=True)["noise"].mean()
    return np.array([1 / noise[unit] for unit in units], float)


def _without(frame: pd.DataFrame, languages: Sequence[str]) -> pd.DataFrame:
    rows = in_others(frame, languages)
    few = rows.groupby(["condition", "task"], observed=True)["language"].nunique()
    usable = few[few >= 3].index.get_level_values("task").unique()
    if usable.empty:
        raise XferError(
            "No task has three languages besides English.", "A spread needs at least 3 languages."
        )
    return rows[rows["task"].isin(usable)]


def _arm_levels(block: Cells, sizes: np.ndarray | None, task: str) -> Levels:
    index = [i for i, (t, _) in enumerate(block.units) if t == task]
    return levels(block.values.mean(0)[:, index], None if sizes is None else sizes[index])


def spread_ratio(
    frame: pd.DataFrame,
    condition: str,
    baseline: str,
    *,
    exclude: Sequence[str] = ("en",),
    level: float = 0.95,
) -> tuple[Estimate, pd.DataFrame]:
    """Pooled ratio tau(condition) / tau(baseline), and a table per task (ratio, interval, p, secondaries).

    The estimate and its interval are the ratio itself (1 = equal, not 0): one task by the jackknife with t(L
    - 1), several by random-effects meta-analysis; ``p`` is the swap test's over all tasks. A task whose ratio
    is the same whichever language is left out, as where neither arm has a spread, has no standard error and
    is not pooled: it would count as known for sure.

    Raises:
        XferError: fewer than three languages in every task, correlations only, or faults of the table.
    """
    checked = check(frame)
    correlations = correlated(checked)
    if correlations.all():
        raise XferError(f"All scores are correlations; {NO_ODDS}.")
    unfit = checked.loc[correlations, "task"].unique()
    checked = _without(checked[~correlations], exclude)
    first, second = pair(checked, condition, baseline)
    sizes = [sizes_of(checked, name, first.units) for name in (condition, baseline)]
    rows, arms, notes = [], [], [f"{task}: {NO_ODDS}" for task in unfit]
    for task in first.tasks:
        a, b = (_arm_levels(block, n, task) for block, n in zip((first, second), sizes, strict=True))
        ratio, se = (float(v) for v in jackknife(a, b))
        half = se * float(special.stdtrit(a.level.shape[-1] - 1, 0.5 + level / 2)) if se > SURE else math.nan
        if min(float(a.tau2()), float(b.tau2())) <= FLOOR:
            notes.append(f"{task}: no spread beyond sampling noise in an arm, so that its ratio says little")
        rows.append(
            {
                "task": task,
                "languages": a.level.shape[-1],
                "ratio": math.exp(ratio),
                "low": math.exp(ratio - half),
                "high": math.exp(ratio + half),
                "log_ratio": ratio,
                "se": se,
                "p": swap_p([a], [b]),
                "p_pitman_morgan": pitman_morgan(a.level, b.level),
                "p_brown_forsythe": brown_forsythe(a.level, b.level),
            }
        )
        arms.append((a, b))
    table = pd.DataFrame(rows)
    place = {language: i for i, language in enumerate(first.languages)}
    p = swap_p(
        [one for one, _ in arms],
        [other for _, other in arms],
        [[place[code] for t, code in first.units if t == task] for task in first.tasks],
    )
    known = table[table["se"] > SURE]
    if left := [str(task) for task in table["task"] if task not in set(known["task"])]:
        notes.append(f"{', '.join(left)}: no standard error, so not in the ratio")
    pooled = (
        random_effects(known["log_ratio"].to_numpy(), known["se"].to_numpy(), level)
        if len(known) > 1
        else None
    )
    if known.empty:
        estimate, low, high, df = math.exp(table["log_ratio"].mean()), math.nan, math.nan, math.nan
        method = "log ratio of tau, mean over tasks; p by swapping arms"
    elif pooled is None:
        estimate, low, high, df = (float(known[c].iloc[0]) for c in ("ratio", "low", "high", "languages"))
        df, method = df - 1, "log ratio of tau, jackknife over languages; p by swapping arms"
    else:
        estimate, low, high = (math.exp(v) for v in (pooled.estimate, pooled.low, pooled.high))
        df, method = (
            pooled.df,
            "log ratio of tau, random-effects meta-analysis over tasks; p by swapping arms",
        )
        notes.append(
            "the interval takes tasks as independent, which tasks that share languages are not: trust p "
            "where they disagree"
        )
        notes.extend(pooled.notes)
    smallest = min(table["languages"])
    if smallest < 10 and not known.empty:
        notes.append(
            f"{smallest} languages: the interval covers 91-97 %; a true ratio of .8 is found in fewer than 1 "
            "of 6 cases"
        )
    n = {"seeds": len(first.seeds), "languages": len(first.languages), "tasks": len(rows)}
    found = Estimate(estimate, low, high, p, df=df, level=level, method=method, population=LIKE_THESE, n=n)
    return found.noted(*notes, "given these models: not a statement about new seeds"), table


def pitman_morgan(first: np.ndarray, second: np.ndarray) -> float:
    """p of equal variances of paired values (Pitman 1939;
    Morgan 1939): secondary; 8-13 % false positives with heavy tails.
    """
    total, gap = np.asarray(first) + second, np.asarray(first) - second
    if len(total) < 3 or not varies(float(min(np.ptp(total), np.ptp(gap)))):
        return math.nan
    return float(cast(Any, stats.pearsonr(total, gap)).pvalue)


def brown_forsythe(first: np.ndarray, second: np.ndarray) -> float:
    """p of equal spread about the median (Brown & Forsythe 1974):
    secondary; takes the arms as independent, which they are not.
    """
    if not varies(float(max(np.ptp(first), np.ptp(second)))):
        return math.nan
    return float(stats.levene(first, second, center="median").pvalue)
