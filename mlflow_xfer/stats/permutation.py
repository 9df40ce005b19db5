"""Exact tests at seed level: no distribution is assumed,
but few seeds allow only coarse p-values (3 paired seeds: at best .25).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, product

import numpy as np
import pandas as pd

from mlflow_xfer.errors import XferError
from mlflow_xfer.stats.blocks import Cells, other_rows, pair
from mlflow_xfer.stats.estimate import Estimate
from mlflow_xfer.stats.frame import check
from mlflow_xfer.stats.means import paired, seed_notes, smallest_p

EXACT = 2**16  # assignments enumerated; beyond that, this many random ones


def _p(observed: float, null: np.ndarray, tolerance: float) -> float:
    return float((np.abs(null) >= abs(observed) - tolerance).mean())


def sign_flip(differences: np.ndarray, *, seed: int = 0) -> float:
    """Two-sided p of a mean of paired differences, flipping signs (Fisher 1935); exact up to 16 pairs.

    Assumes that differences are symmetric about 0 under the hypothesis: true where arms are exchangeable
    within a seed.
    """
    d = np.asarray(differences, float)
    if len(d) <= 16:
        signs = np.array(list(product((1, -1), repeat=len(d))))
    # the identity counts as one of them: then the p-value is valid, not only nearly so (Phipson & Smyth 2010)
    else:
        signs = np.random.default_rng(seed).choice((1, -1), size=(EXACT, len(d)))
        signs[0] = 1
    return _p(d.mean(), signs @ d / len(d), 1e-9 * (1 + np.abs(d).max()))


def two_sample(first: np.ndarray, second: np.ndarray, *, seed: int = 0) -> float:
    """Two-sided p of a difference of means of independent arms, relabelling (Fisher 1935);
    exact up to 65,536 relabellings.
    """
    a, b = np.asarray(first, float), np.asarray(second, float)
    both, n = np.concatenate([a, b]), len(a)
    choices = list(_choices(len(both), n, seed))
    picked = np.zeros((len(choices), len(both)))
    for row, chosen in enumerate(choices):
        picked[row, list(chosen)] = 1
    null = picked @ both / n - (1 - picked) @ both / len(b)
    return _p(a.mean() - b.mean(), null, 1e-9 * (1 + np.abs(both).max()))


def _choices(total: int, n: int, seed: int):
    count = 1
    for i in range(n):
        count = count * (total - i) // (i + 1)
    if count <= EXACT:
        yield from combinations(range(total), n)
        return
    yield tuple(range(n))
    rng = np.random.default_rng(seed)
    for _ in range(EXACT // 4):
        yield tuple(rng.permutation(total)[:n])


def rank_among(value: float, others: Sequence[float]) -> float:
    """Two-sided p of one value among others that were drawn at random: the share of all of them, itself
    included, that lie at least as far from the mean of all.

    Exact if it is one more random draw under the hypothesis; the smallest p is 1 / (others + 1).
    """
    every = np.array([value, *others], float)
    away = np.abs(every - every.mean())
    return float((away >= away[0] - 1e-9 * (1 + away.max())).mean())


def permutation_test(frame: pd.DataFrame, condition: str, baseline: str) -> Estimate:
    """Exact seed-level test of no difference between two conditions (population:
    these languages, this base checkpoint).

    Raises:
        XferError: fewer than two seeds in an arm, or faults of the table.
    """
    first, second = pair(check(frame), condition, baseline)
    return exact_contrast(first, second)


def exact_contrast(first: Cells, second: Cells) -> Estimate:
    """:func:`permutation_test` of two blocks that are read already; base seeds are averaged over."""
    if min(len(first.seeds), len(second.seeds)) < 2:
        raise XferError(
            f"A seed-level test of {first.condition!r} against {second.condition!r} needs at least two "
            "seeds in each.",
            "Run more seeds (seeds=1,2,3,…); 6 paired seeds are the fewest that can reach p < .05.",
        )
    a, b = (block.values.mean(0) @ block.weights for block in (first, second))
    both = paired(first, second)
    p = sign_flip(a - b) if both else two_sample(a, b)
    least = smallest_p(len(a)) if both else smallest_p(len(a), len(b))
    n = {"seeds": min(len(a), len(b)), "languages": len(first.languages), "tasks": len(first.tasks)}
    method = "exact sign-flip test on seeds" if both else "exact relabelling test on seeds"
    note = f"smallest p possible with these seeds: {least:.3g}" if least > 0.05 else ""
    return Estimate(float(a.mean() - b.mean()), p=p, method=method, n=n).noted(
        note, *seed_notes(n["seeds"], len(first.bases), least), other_rows((first, second))
    )
