"""Several data sets against several others, as samples of such sets: of a domain, or of a format.

What varies is the set: with three a side its spread is the error, however many seeds there are.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mlflow_xfer.errors import XferError
from mlflow_xfer.stats import crossed
from mlflow_xfer.stats.estimate import THESE, Estimate
from mlflow_xfer.stats.means import estimate, seed_notes

FEWEST = 3
"""Sets a side: two have one degree of freedom, with which nothing is found."""


def between_sets(
    first: Sequence[np.ndarray],
    second: Sequence[np.ndarray],
    *,
    level: float = 0.95,
    population: str = THESE,
    n: dict[str, int] | None = None,
) -> Estimate:
    """The mean of the sets of ``first`` minus that of ``second``, each set's values ``[base, seed]``.

    Welch's t over the sets' means; over seeds (paired, Student's) where that is wider.

    Raises:
        XferError: fewer than three sets on a side.
    """
    if min(len(first), len(second)) < FEWEST:
        raise XferError(
            f"{len(first)} sets against {len(second)} are no sample of sets.", f"Give {FEWEST} a side."
        )
    sides = [np.array([values.mean() for values in side])[None, None, :] for side in (first, second)]
    sets = crossed.welch(*(crossed.spread(side, (crossed.LANGUAGE,)) for side in sides))
    by_seed = np.mean(first, axis=0) - np.mean(second, axis=0)
    counts = {"sets": len(first) + len(second), "seeds": by_seed.shape[-1], "bases": by_seed.shape[-2]}
    about = {"population": population, "n": (n or {}) | counts}
    if by_seed.size > 1:
        axes = tuple(axis for axis in (crossed.BASE, crossed.SEED) if by_seed.shape[axis + 1] > 1)
        seeds = crossed.spread(by_seed[..., None], axes)
        if _half_width(seeds, level) > _half_width(sets, level):
            found = estimate(seeds, level, method="paired t on per-seed means, wider than over sets", **about)
            return found.noted(*seed_notes(counts["seeds"], counts["bases"]))
    found = estimate(sets, level, method="Welch's t over sets", **about)
    return found.noted(
        f"about sets like these {counts['sets']}", *seed_notes(counts["seeds"], counts["bases"])
    )


def _half_width(spread: crossed.Dispersion, level: float) -> float:
    return float(spread.quantile(1 - level)) * float(spread.variance) ** 0.5
