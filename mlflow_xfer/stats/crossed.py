"""Variance of a mean over crossed random factors, on arrays;
the arithmetic behind :mod:`mlflow_xfer.stats.means`.

Arrays are ``[..., base, seed, language]``: leading axes are independent data sets, so that a simulation of
thousands of tables is one call. Model: ``x_bsl = mu + base_b + seed_s + language_l + two-way interactions +
rest``, every term with mean 0; factors that are not random contribute nothing to the variance. In a balanced
table the components are those of the crossed ANOVA (Searle, Casella & McCulloch 1992, ch. 4); with unequal
language weights they are its weighted analogue.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from scipy import special

BASE, SEED, LANGUAGE = -3, -2, -1
NAMES = {BASE: "base seed", SEED: "seed", LANGUAGE: "language"}


@dataclass(frozen=True)
class Dispersion:
    """Variance of a mean and where it comes from.

    ``variance``: of the mean, ``[...]``. ``mains``: one ``(weight [...], df)`` per random factor for the
    quantile: the factor's cluster variance where its component is positive, else 0. ``rest``: ``(weight,
    df)`` where all are 0. ``components``: by name.
    ``alone``: ``(variance, df)`` of t intervals that this one must contain: seeds alone, when languages are a
    sample too.
    """

    mean: np.ndarray
    variance: np.ndarray
    mains: tuple[tuple[np.ndarray, float | np.ndarray], ...]
    rest: tuple[np.ndarray, float | np.ndarray]
    components: dict[str, np.ndarray]
    alone: tuple[tuple[np.ndarray, float], ...] = ()

    @property
    def df(self) -> np.ndarray:
        """Satterthwaite's degrees of freedom of ``variance``."""
        denominator = sum(w**2 / df for w, df in self.mains)
        none = np.asarray(denominator) == 0
        ratio = self.variance**2 / np.where(none, 1, denominator)
        return np.where(none, self.rest[1], ratio)

    def quantile(self, p: np.ndarray | float) -> np.ndarray:
        """The two-sided ``1 - p`` quantile of ``|mean - mu| / se``.

        One factor: Student's. Several: between Satterthwaite's quantile, right where the factors have equally
        many levels, and Student's quantiles weighted by the factors' variances (Cochran & Cox 1957, §4.14),
        right where they have very different numbers: at 3 seeds x 40 languages with equal components
        Satterthwaite's covers 92 %, the weighted one 95 %; at 5 x 5 it is the other way round, 95 and 98 %.
        The weight of the latter is ``1 - min(df) / max(df)`` (chosen by simulation:
        ``benchmarks/coverage.py``). An interval for languages like these is never narrower than the one for
        these languages.
        """
        p = np.asarray(p)
        inner = -special.stdtrit(self.rest[1], p / 2)
        if not self.mains:
            return np.broadcast_to(inner, self.variance.shape)
        total = sum(w for w, _ in self.mains)
        weighted = sum(w * -special.stdtrit(df, p / 2) for w, df in self.mains) / np.where(
            total > 0, total, 1
        )
        least = np.min([np.where(w > 0, df, np.inf) for w, df in self.mains], axis=0)
        most = np.max([np.where(w > 0, df, 0) for w, df in self.mains], axis=0)
        share = np.where(total > 0, 1 - np.minimum(least, most) / np.maximum(most, 1e-9), 1.0)
        mixed = np.where(total > 0, share * weighted - (1 - share) * special.stdtrit(self.df, p / 2), inner)
        for variance, df in self.alone:
            ratio = np.sqrt(variance / np.where(self.variance > 0, self.variance, 1))
            mixed = np.maximum(mixed, ratio * -special.stdtrit(df, p / 2))
        return mixed

    def p_value(self, distance: np.ndarray | float) -> np.ndarray:
        """Two-sided p of ``|distance|`` (in score units) from the hypothesis; ``nan`` without variance."""
        with np.errstate(divide="ignore", invalid="ignore"):
            t = np.abs(distance) / np.sqrt(self.variance)
        if len(self.mains) == 1 and not self.alone:
            return np.where(self.variance > 0, 2 * special.stdtr(self.mains[0][1], -t), np.nan)
        low, high = (
            np.full(t.shape, -60.0),
            np.zeros(t.shape),
        )  # natural log of p, by bisection: quantile falls in p
        for _ in range(44):
            middle = (low + high) / 2
            above = self.quantile(np.exp(middle)) > t
            low, high = np.where(above, middle, low), np.where(above, high, middle)
        return np.where(self.variance > 0, np.exp((low + high) / 2), np.nan)


def unequal(weights: np.ndarray) -> tuple[np.ndarray, float]:
    """``(k, df)`` such that ``sum k_i (x_i - mean)^2`` estimates the variance of the mean weighted by
    ``weights``.

    Unbiased where members vary alike, with Satterthwaite's df of that quadratic form (Bell & McCaffrey 2002);
    equal weights give ``1 / (n (n - 1))`` and ``n - 1``. Where heavy members vary less (a large family
    averages more languages) it errs to the safe side.
    """
    w = np.asarray(weights, float)
    if len(w) < 2:
        return w**2, 0.0
    centring = np.eye(len(w)) - w  # row i: x_i - mean
    form = (centring.T * w**2) @ centring
    trace = float(np.trace(form))
    return w**2 * float((w**2).sum()) / trace, trace**2 / float((form**2).sum())


def spread(x: np.ndarray, random: Sequence[int], weights: np.ndarray | None = None) -> Dispersion:
    """Variance of the weighted mean of ``x`` over the ``random`` axes.

    Args:
        x: ``[..., base, seed, language]``, no missing values.
        random: which of ``BASE``, ``SEED``, ``LANGUAGE`` stand for more than themselves; each needs at least
            two levels.
        weights: of the languages, summing to 1; equal by default.
    """
    x = np.asarray(x, float)
    w = np.full(x.shape[-1], 1 / x.shape[-1]) if weights is None else np.asarray(weights, float)
    mean = (x.mean((BASE, SEED)) * w).sum(-1)
    count = {BASE: x.shape[BASE], SEED: x.shape[SEED]}
    factor = {axis: n / max(n - 1, 1) for axis, n in count.items()}
    df = {axis: n - 1.0 for axis, n in count.items()}
    k, df[LANGUAGE] = unequal(w)

    def cluster_variance(axes: tuple[int, ...]) -> np.ndarray:
        """Variance of the mean from independent clusters = cells of ``axes``,
        the effects of their sub-cells removed.
        """
        z = x
        for axis in (BASE, SEED):
            z = z - z.mean(axis, keepdims=True) if axis in axes else z.mean(axis, keepdims=True)
        centre = (z * w).sum(-1, keepdims=True)
        square = ((z - centre) ** 2 * k).sum(-1) if LANGUAGE in axes else centre[..., 0] ** 2
        runs = [axis for axis in axes if axis != LANGUAGE]
        return square.sum((BASE + 1, SEED + 1)) * np.prod([factor[axis] / count[axis] ** 2 for axis in runs])

    raw = {
        axes: cluster_variance(axes) for k in range(1, len(random) + 1) for axes in combinations(random, k)
    }
    own: dict[tuple[int, ...], np.ndarray] = {}
    for axes in sorted(
        raw, key=len, reverse=True
    ):  # a term's own part: what the finer terms inside it do not explain
        inner = sum((own[finer] for finer in own if set(axes) < set(finer)), np.zeros_like(mean))
        own[axes] = np.maximum(raw[axes] - inner, 0)
    variance = sum(own.values(), np.zeros_like(mean))
    mains = tuple((np.where(own[(axis,)] > 0, raw[(axis,)], 0), df[axis]) for axis in random)
    finest = tuple(random)
    rest = (raw[finest], float(np.prod([df[axis] for axis in random])))
    named = {" x ".join(NAMES[a] for a in axes): own[axes] for axes in own}
    alone = ((raw[(SEED,)], df[SEED]),) if set(random) == {SEED, LANGUAGE} else ()
    return Dispersion(mean, variance, mains, rest, named, alone)


def welch(first: Dispersion, second: Dispersion) -> Dispersion:
    """The spread of ``first.mean - second.mean`` for independent arms,
    each with one random factor (Welch 1947).
    """
    (wa, dfa), (wb, dfb) = first.mains[0], second.mains[0]
    variance = first.variance + second.variance
    with np.errstate(divide="ignore", invalid="ignore"):
        df = np.where(variance > 0, variance**2 / (wa**2 / dfa + wb**2 / dfb), min(dfa, dfb))
    return Dispersion(
        first.mean - second.mean, variance, ((variance, df),), (variance, df), {"seed": variance}
    )
