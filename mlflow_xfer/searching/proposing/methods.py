"""Samplers and pruners by name, and what is refused."""

from __future__ import annotations

import optuna
from optuna.study import StudyDirection

from mlflow_xfer.errors import Problems, XferError
from mlflow_xfer.params.questions import PRUNERS, SAMPLERS
from mlflow_xfer.registry import unknown
from mlflow_xfer.searching.proposing.pairwise import Pairwise
from mlflow_xfer.searching.proposing.samplers import (
    BRUTE_FORCE_LIMIT,
    POPULATION,
    Drawn,
    Enumerated,
    FromOptuna,
    Sampler,
)
from mlflow_xfer.searching.space.space import Space
from mlflow_xfer.searching.trying.rungs import SHARES

BY_PROBE = ("hyperband", "asha", "median")  # pruners that decide on probes; `wilcoxon` looks at seeds
STEPS = 100  # a probe's step is the percentage of the trial's training that is done


def automatic(space: Space, objectives: int = 1) -> str:
    """What ``auto`` stands for: ``pairwise`` where it was measured (``benchmarks/search.md``),
    subsets and one objective; else Optuna's TPE.
    """
    return (
        "pairwise" if objectives == 1 and all(r.fixed for r in space.ranges) and not space.ordered else "tpe"
    )


def make_sampler(name: str, space: Space, objectives: int = 1) -> Sampler:
    """The sampler called ``name``."""
    name = automatic(space, objectives) if name == "auto" else name
    directions = [StudyDirection.MAXIMIZE] * objectives
    if name == "random":
        return Drawn(space)
    if name in ("brute_force", "grid"):
        return Enumerated(space)
    if name == "pairwise":
        return Pairwise(space, objectives)
    if name == "tpe":
        return FromOptuna(
            space,
            lambda seed: optuna.samplers.TPESampler(seed=seed, n_startup_trials=0, multivariate=True),
            directions,
        )
    if name == "gp":
        return FromOptuna(
            space, lambda seed: optuna.samplers.GPSampler(seed=seed, n_startup_trials=0), directions
        )
    if name == "nsgaii":
        return FromOptuna(
            space,
            lambda seed: optuna.samplers.NSGAIISampler(seed=seed, population_size=POPULATION),
            directions,
            0,
            "NSGAIISampler:generation",
        )
    if name == "nsgaiii":
        return FromOptuna(
            space,
            lambda seed: optuna.samplers.NSGAIIISampler(seed=seed, population_size=POPULATION),
            directions,
            0,
            "NSGAIIISampler:generation",
        )
    raise _unknown_sampler(name)


def _unknown_sampler(name: str) -> XferError:
    if name.lower().replace("-", "").replace("_", "").startswith("cma"):
        return XferError(
            f"sampler={name}: CMA-ES is not offered.",
            "Optuna's CMA-ES unpickles its state from the storage, so whoever can write there could run "
            "code here. Use tpe or gp.",
        )
    return unknown("sampler", name, SAMPLERS)


def make_pruner(name: str, seeds: int, reduction_factor: int) -> optuna.pruners.BasePruner:
    """The pruner called ``name``, for trials of so many seeds; the steps of probes run to 100 for each seed.

    Optuna's rungs stand at ``min_resource`` times the powers of ``reduction_factor``, and are judged at the
    first report at or after them: the first two are placed such that both short chains are judged, whatever
    the factor.
    """
    first, last = (round(STEPS * share) for share in SHARES)
    shortest = max(1, min(first, last // reduction_factor))
    if name == "none":
        return optuna.pruners.NopPruner()
    if name == "hyperband":
        return optuna.pruners.HyperbandPruner(
            min_resource=shortest, max_resource=STEPS * seeds, reduction_factor=reduction_factor
        )
    if name == "asha":
        return optuna.pruners.SuccessiveHalvingPruner(
            min_resource=shortest, reduction_factor=reduction_factor
        )
    if name == "median":
        return optuna.pruners.MedianPruner(n_startup_trials=5)
    if name == "wilcoxon":
        return optuna.pruners.NopPruner()  # it looks at seeds, not at probes: see Looks
    raise unknown("pruner", name, PRUNERS)


def check(
    space: Space,
    *,
    sampler: str = "tpe",
    pruner: str = "none",
    objectives: int = 1,
    seeds: int = 1,
    n_trials: int | None = None,
    problems: Problems | None = None,
) -> None:
    """Refuse what cannot work together.

    Args:
        problems: where faults are collected; None: raise them.
    """
    reported = problems if problems is not None else Problems()
    space = space.gridded() if sampler == "grid" else space
    if sampler not in SAMPLERS:
        reported.add(_unknown_sampler(sampler))
    if pruner not in PRUNERS:
        reported.add(unknown("pruner", pruner, PRUNERS))
    elif pruner != "none" and objectives > 1:
        reported.add(
            f"pruner={pruner} with {objectives} objectives.",
            "Optuna cannot report intermediate values of several objectives (trial.report raises "
            "NotImplementedError), so nothing could be pruned. Give pruner=none or one objective.",
        )
    if sampler in ("brute_force", "grid"):
        count = space.count()
        if count is None:
            reported.add(
                f"sampler={sampler} cannot list a space with continuous ranges: "
                f"{', '.join(r.name for r in space.ranges if r.values() is None)}.",
                "Give choices or steps (mlm_share=0|0.1|0.2), or sampler=grid.",
            )
        elif count > min(BRUTE_FORCE_LIMIT, n_trials or BRUTE_FORCE_LIMIT):
            limit = (
                f"n_trials={n_trials}"
                if n_trials and n_trials < BRUTE_FORCE_LIMIT
                else f"the limit is {BRUTE_FORCE_LIMIT:,}"
            )
            reported.add(
                f"sampler={sampler} would run {count:,} candidates, but {limit}.",
                f"Lower max_tasks (now {space.max_tasks} of {len(space.pool)}), narrow the space, raise "
                "n_trials, or use sampler=tpe.",
            )
    if problems is None:
        reported.raise_if_any()
