"""Means and differences with intervals that hold with few seeds.

Two populations. *These languages*: the languages (and tasks) are the ones of interest, the seeds (and base
models, where several) stand for more; the interval is Student's t on per-seed means. *Languages like these*:
languages are a sample too; seed and language are crossed random factors (ANOVA, Satterthwaite 1946; Searle,
Casella & McCulloch 1992). Tasks are always these tasks.

Measured (``benchmarks/coverage.py``, results in ``benchmarks/coverage.md``): both cover 93-97 % with normal
and t-distributed effects at 3, 5 and 10 seeds and 5, 10 and 40 languages, up to 99 % where a component is
truly zero; three base checkpoints cover 94-99 %, least where they differ more than seeds do. Limits: strongly
skewed seed effects (exponential) bring 3 seeds down to 86-92 %; one seed of one base checkpoint gives no
interval.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from mlflow_xfer.errors import XferError
from mlflow_xfer.stats import crossed
from mlflow_xfer.stats.blocks import Cells, cells, other_rows, pair
from mlflow_xfer.stats.estimate import LIKE_THESE, THESE, Estimate, varies
from mlflow_xfer.stats.frame import check

FEW_RUNS = "{n}: a demonstration; about 10 are needed for a verdict (smallest exact seed-level p: {p:.3g})"
ONE_CHECKPOINT = "conditional on one base checkpoint"


def smallest_p(first: int, second: int | None = None) -> float:
    """The smallest two-sided p that ``first`` pairs (or two arms of ``first`` and ``second`` seeds) can
    reach in an exact test.
    """
    if second is None:
        return min(1.0, 2.0 ** (1 - first))
    return min(1.0, (2 if first == second else 1) / math.comb(first + second, first))


def seed_notes(seeds: int, bases: int, least: float | None = None) -> tuple[str, ...]:
    """Warnings that follow from the number of seeds and base checkpoints; what repeats one seed are the
    checkpoints. ``least``: the smallest exact p, by default that of pairs."""
    runs = seeds if seeds > 1 else bases
    one = "1 seed" if bases == 1 else f"1 seed from each of {bases} base checkpoints"
    named = f"{seeds} seeds" if seeds > 1 else one
    few = FEW_RUNS.format(n=named, p=smallest_p(runs) if least is None else least) if runs < 5 else ""
    return tuple(filter(None, (few, ONE_CHECKPOINT if bases == 1 else f"{bases} base checkpoints")))


def estimate(spread: crossed.Dispersion, level: float, **about: Any) -> Estimate:
    """One :class:`Estimate` from the spread of one table."""
    mean, se = float(spread.mean), float(spread.variance) ** 0.5
    if not varies(se, mean):
        note = "no variation between seeds or languages: nothing to infer from"
        return Estimate(mean, level=level, se=0.0, parts={}, **about).noted(note)
    half = float(spread.quantile(1 - level)) * se
    parts = {name: float(value) for name, value in spread.components.items()}
    result = Estimate(
        mean,
        mean - half,
        mean + half,
        float(spread.p_value(spread.mean)),
        se,
        float(spread.df),
        level,
        parts=parts,
        **about,
    )
    if len(spread.mains) > 1 and all(float(w) == 0 for w, _ in spread.mains):
        return result.noted(
            "seed and language effects do not stand out from noise: the spread between seeds may be "
            "underestimated here by luck, so that the interval can be too narrow"
        )
    return result


def random_factors(block: Cells, population: str) -> tuple[int, ...]:
    """The axes that stand for more than themselves:
    seeds, base checkpoints where several, languages on request.
    """
    if population not in (THESE, LIKE_THESE):
        raise XferError(f"Unknown population {population!r}.", f"Accepted: {THESE!r}, {LIKE_THESE!r}")
    axes = [crossed.BASE] if len(block.bases) > 1 else []
    axes += [crossed.SEED] if len(block.seeds) > 1 else []
    if population == LIKE_THESE:
        if len(block.languages) < 2:
            raise XferError("One language cannot stand for languages like it.", f"Use population={THESE!r}.")
        axes.append(crossed.LANGUAGE)
    return tuple(axes)


def infer(block: Cells, population: str = THESE, level: float = 0.95) -> Estimate:
    """Mean of a block with its interval: what :func:`mean` and :func:`difference` are made of."""
    x, weights = block.by_language()
    n = {
        "seeds": len(block.seeds),
        "bases": len(block.bases),
        "languages": len(block.languages),
        "tasks": len(block.tasks),
    }
    about = {"population": population, "n": n}
    if len(block.seeds) * len(block.bases) < 2:
        mean = float((block.values * block.weights).sum(-1).mean())
        return Estimate(mean, level=level, method="point", **about).noted(
            "one seed: no interval, no test", ONE_CHECKPOINT
        )
    axes = random_factors(block, population)
    spread = crossed.spread(x, axes, weights)
    names = " x ".join(crossed.NAMES[a] for a in axes)
    method = f"t on per-{names} means" if len(axes) == 1 else f"crossed {names} ANOVA"
    return estimate(spread, level, method=method, **about).noted(*seed_notes(n["seeds"], n["bases"]))


def mean(frame: pd.DataFrame, condition: str, *, population: str = THESE, level: float = 0.95) -> Estimate:
    """The mean score of a condition (mean over tasks of the mean over languages)."""
    return infer(cells(check(frame), condition), population, level)


def paired(first: Cells, second: Cells) -> bool:
    """Whether two blocks share their seeds and base seeds:
    then differences are taken within them (common random numbers).
    """
    return first.seeds == second.seeds and first.bases == second.bases and first.units == second.units


def difference(
    frame: pd.DataFrame, condition: str, baseline: str, *, population: str = THESE, level: float = 0.95
) -> Estimate:
    """Mean of ``condition`` minus mean of ``baseline`` over the same tasks and languages.

    Paired within seeds where both have the same seeds; else independent (Welch 1947).

    Raises:
        XferError: faults of the table, cells that only one of the two has.
    """
    return contrast(*pair(check(frame), condition, baseline), population, level)


def contrast(first: Cells, second: Cells, population: str = THESE, level: float = 0.95) -> Estimate:
    """:func:`difference` of two blocks that are read already."""
    if paired(first, second):
        difference = infer(replace(first, values=first.values - second.values), population, level)
        found = replace(difference, method=f"paired {difference.method}")
    else:
        found = _unpaired(first, second, population, level)
    return found.noted(other_rows((first, second)))


def _why_unpaired(first: Cells, second: Cells) -> str:
    if first.seeds == second.seeds:
        return "the arms start from different base checkpoints: not paired"
    shared = len(set(first.seeds) & set(second.seeds))
    if not shared:
        return "the arms do not share their seeds: not paired"
    return f"the arms share {shared} of {len(first.seeds)} and {len(second.seeds)} seeds: not paired"


def _unpaired(first: Cells, second: Cells, population: str, level: float) -> Estimate:
    arms = [block.by_language() for block in (first, second)]
    about = {"population": population, "n": {
        "seeds": min(len(first.seeds), len(second.seeds)), "bases": min(len(first.bases), len(second.bases)),
        "languages": len(first.languages), "tasks": len(first.tasks),
    }}  # fmt: skip
    about["method"] = "unpaired: Welch's t on per-seed means"
    if about["n"]["seeds"] < 2:
        value = float(arms[0][0].mean((0, 1)) @ arms[0][1] - arms[1][0].mean((0, 1)) @ arms[1][1])
        return Estimate(value, level=level, **about).noted(
            _why_unpaired(first, second), "one seed in an arm: no interval, no test"
        )
    if len(first.bases) > 1 or len(second.bases) > 1:
        raise XferError(
            f"{first.condition!r} and {second.condition!r} have several base seeds but not the same seeds.",
            "Run both with the same base_seeds and seeds, so that they can be paired.",
        )
    seeds = crossed.welch(*(crossed.spread(x, (crossed.SEED,), w) for x, w in arms))
    least = smallest_p(len(first.seeds), len(second.seeds))
    notes = (_why_unpaired(first, second), *seed_notes(about["n"]["seeds"], 1, least))
    if population == THESE:
        return estimate(seeds, level, **about).noted(*notes)
    both = [crossed.spread(x, (crossed.SEED, crossed.LANGUAGE), w) for x, w in arms]
    inner = (
        both[0].rest[0] + both[1].rest[0]
    )  # variance of the mean from seed x language and examples, both arms
    gap, weights = arms[0][0].mean((0, 1)) - arms[1][0].mean((0, 1)), arms[0][1]
    centre = float(gap @ weights)
    concentration = float((weights**2).sum())
    language = np.asarray((((gap - centre) * weights) ** 2).sum() / (1 - concentration))
    own_seed, own_language = (np.maximum(v - inner, 0) for v in (seeds.variance, language))
    mains = (
        (np.where(own_seed > 0, seeds.variance, 0), float(seeds.df)),
        (np.where(own_language > 0, language, 0), 1 / concentration - 1),
    )
    df = sum(arm.rest[1] for arm in both)
    parts = {"seed": own_seed, "language": own_language, "seed x language": inner}
    spread = crossed.Dispersion(
        np.asarray(centre), own_seed + own_language + inner, mains, (inner, df), parts
    )
    about["method"] = "unpaired seed + crossed language ANOVA"
    return estimate(spread, level, **about).noted(*notes)
