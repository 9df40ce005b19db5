"""What each task and each pair of tasks contributes, by the model of all finished trials."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mlflow_xfer.searching.deciding.estimates import RESOLVED, Scores
from mlflow_xfer.searching.space.space import Space
from mlflow_xfer.searching.storage.history import Finished
from mlflow_xfer.stats import subset_terms


@dataclass(frozen=True)
class Contribution:
    """What a task, or a pair beyond its members, adds to the score, in points.

    Args:
        tasks: one task, or two.
        estimate, low, high: for a task the mean over all subsets of the others; for a pair what it adds
            beyond both effects.
        alone: for a task, what it adds to the empty set; NaN for pairs.
        identified: the scores resolve at least half of the prior uncertainty, and the effect is no
            combination of others; else the estimate is mostly the prior (no effect).
        vif: variance inflation by the other tasks (for a pair: by the tasks); infinite where it is their
            combination.
        n: candidates with it.
    """

    tasks: tuple[str, ...]
    estimate: float
    low: float
    high: float
    alone: float
    identified: bool
    vif: float
    n: int

    @property
    def label(self) -> str:
        return " x ".join(self.tasks)


def contributions(
    trials: Sequence[Finished], *, space: Space | None = None, objective: int = 0, level: float = 0.95
) -> list[Contribution]:
    """What each task and each pair adds, tasks first, each group from best to worst."""
    if len({trial.candidate.key for trial in trials}) < 2:
        return []
    scores = Scores.of(trials, space)
    posterior, pool = scores.posterior(objective), scores.space.pool
    x = posterior.evidence.tasks
    names = subset_terms.terms(len(pool))
    directions = subset_terms.directions(len(pool), posterior.phi.shape[1])
    mean, sd, resolved = posterior.combine(directions)
    half = posterior.half_width(sd, level)
    inflation, alone = (
        subset_terms.inflation(x),
        posterior.combine(np.eye(posterior.phi.shape[1])[1 : 1 + len(pool)])[0],
    )
    found = []
    for i, term in enumerate(names):
        used = x[:, list(term)].all(1)
        seen = len({tuple(row) for row in x[:, list(term)]}) == 2 ** len(
            term
        )  # all combinations of its members: else they are not told apart
        identified = bool(seen and resolved[i] >= RESOLVED and math.isfinite(inflation[i]))
        own = float(alone[i]) if len(term) == 1 else math.nan
        found.append(
            Contribution(
                tuple(pool[t] for t in term),
                float(mean[i]),
                float(mean[i] - half[i]),
                float(mean[i] + half[i]),
                own,
                identified,
                float(inflation[i]),
                int(used.sum()),
            )
        )
    return sorted(found, key=lambda c: (len(c.tasks), -c.estimate))
