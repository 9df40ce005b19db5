"""What a study's contrasts say of its scores: estimates, corrected p-values, verdicts, and power."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from mlflow_xfer import languages
from mlflow_xfer.errors import XferError
from mlflow_xfer.reporting.verdict import EXPLORATORY, REGISTERED, UNDECIDED, decide
from mlflow_xfer.stats.dispersion import spread_ratio
from mlflow_xfer.stats.estimate import Estimate
from mlflow_xfer.stats.frame import Cells, cells, check, unit_weights
from mlflow_xfer.stats.interaction import combined, slope_of
from mlflow_xfer.stats.means import difference
from mlflow_xfer.stats.multiplicity import holm
from mlflow_xfer.stats.power import detectable, equivalence, power
from mlflow_xfer.stats.sets import between_sets
from mlflow_xfer.stats.typology import PRIMARY
from mlflow_xfer.studies import orders
from mlflow_xfer.studies.foresight import detectable_ratio, spread_power
from mlflow_xfer.studies.sizes import over_sizes
from mlflow_xfer.studies.study import Contrast, Study
from mlflow_xfer.studies.tables import shared

LESS, MORE = "less unequal", "more unequal"
COLUMNS = ["condition", "task", "language", "base_seed", "seed", "score", "n"]
RATIO = 0.8  # the ratio of spreads that matters, where nothing else is said
COMPOSED = "best of each"


@dataclass(frozen=True)
class Found:
    """One contrast on a study's scores.

    Attributes:
        estimate: in points; of ``spread`` the ratio. Its level is that of the look.
        p_corrected, p_equivalence: Holm over the contrasts of the same status.
        margin: the smallest difference, or ratio, that matters.
        detectable: what such a design finds in 8 of 10 cases.
        power: how often it finds the margin.
        table: of ``spread`` the ratios task by task; of ``best`` what was chosen; of ``order`` where each
            order lies; of ``sizes`` the effect at each.
    """

    contrast: Contrast
    estimate: Estimate
    status: str
    margin: float
    p_corrected: float = math.nan
    p_equivalence: float = math.nan
    verdict: str = UNDECIDED
    detectable: float = math.nan
    power: float = math.nan
    table: pd.DataFrame | None = None

    @property
    def demonstration(self) -> bool:
        """Whether what it can find is larger than what matters."""
        if self.contrast.kind == "spread":
            return not self.detectable >= self.margin
        return not self.detectable <= self.margin

    def as_dict(self) -> dict[str, Any]:
        """For JSON: what is not a number is null."""
        one, found = self.contrast, self.estimate
        numbers = {
            "estimate": found.estimate,
            "low": found.low,
            "high": found.high,
            "level": found.level,
            "p": found.p,
            "p_corrected": self.p_corrected,
            "p_equivalence": self.p_equivalence,
            "margin": self.margin,
            "detectable": self.detectable,
            "power_at_margin": self.power,
        }
        return {
            "name": one.name,
            "kind": one.kind,
            "weights": dict(one.weights),
            "targets": list(one.targets),
            "less": list(one.less),
            "status": self.status,
            "verdict": self.verdict,
            "demonstration": self.demonstration,
            **{k: v if v is not None and math.isfinite(v) else None for k, v in numbers.items()},
            "n": dict(found.n),
            "method": found.method,
            "population": found.population,
            "notes": list(found.notes),
        }


def compute(
    study: Study,
    frame: pd.DataFrame,
    *,
    registered: bool = False,
    level: float = 0.95,
    dev: pd.DataFrame | None = None,
    gaps: bool = False,
) -> list[Found]:
    """Every contrast of ``study`` on the scores ``frame``, in the order of the declaration.

    Args:
        registered: whether the primary ones were fixed before the first run.
        level: of this look at the registered ones; of the others it is .95.
        dev: English dev scores by condition, task, base seed and seed, for ``best``.
        gaps: whether arms may lack targets or seeds: a contrast then takes what all of its arms have.
    """
    scores = Scores(check(frame[[column for column in COLUMNS if column in frame]]), gaps=gaps)
    return of_scores(study, scores, registered=registered, level=level, dev=dev)


def of_scores(
    study: Study,
    scores: Scores,
    *,
    registered: bool = False,
    level: float = 0.95,
    dev: pd.DataFrame | None = None,
) -> list[Found]:
    """:func:`compute` of scores that are checked already."""
    found = []
    for one in study.contrasts:
        status = REGISTERED if registered and one.primary else EXPLORATORY
        found.append(_one(study, one, scores, dev, status, level if status == REGISTERED else 0.95))
    for status in (REGISTERED, EXPLORATORY):
        places = [n for n, one in enumerate(found) if one.status == status]
        corrected = holm([found[n].estimate.p for n in places]) if places else []
        equal = holm([found[n].p_equivalence for n in places]) if places else []
        for n, p, q in zip(places, corrected, equal, strict=True):
            found[n] = _decided(found[n], float(p), float(q))
    return found


def _one(
    study: Study, one: Contrast, scores: Scores, dev: pd.DataFrame | None, status: str, level: float
) -> Found:
    note = ""
    try:
        if scores.gaps:
            scores, note = scores.without_gaps(one)
        if one.kind == "spread":
            return _spread(one, scores, status, level)
        if one.kind == "sizes":
            return _sizes(study, one, scores, status, level)
        if one.kind == "order":
            return _order(study, one, scores, status, level)
        margin = one.margin or study.margin
        if one.kind == "best":
            estimate, table = best_of_each(one, scores, dev, study.population, level)
        else:
            table = None
            made = {"slope": _slope, "sets": _sets}.get(one.kind, _sum)
            estimate = made(one, scores, study.population, level)
    except XferError as error:  # one contrast that cannot be had leaves the others
        missing = Estimate(math.nan, level=level).noted(error.what.splitlines()[0])
        return Found(one, missing, status, one.margin or (RATIO if one.kind == "spread" else study.margin))
    seeds = estimate.n.get("seeds", 0)
    seeds = seeds if seeds > 1 else estimate.n.get("bases", seeds)
    if one.kind == "sets" and estimate.se > 0:
        seeds = round(estimate.df) + 1
    return Found(
        one,
        estimate.noted(note),
        status,
        margin,
        p_equivalence=equivalence(estimate, margin),
        detectable=detectable(estimate),
        power=power(margin, estimate.se * seeds**0.5, seeds, level) if estimate.se > 0 else math.nan,
        table=table,
    )


def _decided(one: Found, p: float, q: float) -> Found:
    alpha = 1 - one.estimate.level
    if one.contrast.kind == "spread":
        sure = p <= alpha
        verdict = (LESS if one.estimate.estimate < 1 else MORE) if sure else UNDECIDED
    else:
        verdict = decide(p, one.estimate.estimate, q, alpha)
    return replace(one, p_corrected=p, p_equivalence=q, verdict=verdict)


@dataclass(frozen=True)
class Scores:
    """Checked scores, and the blocks of their conditions, each read once; with ``gaps`` not all arms have all
    targets and seeds."""

    frame: pd.DataFrame
    read: dict[str, Cells] = field(default_factory=dict)
    gaps: bool = False

    def without_gaps(self, one: Contrast) -> tuple[Scores, str]:
        """What all arms of a contrast have, and in words what is left out."""
        arms = sorted(one.weights, key=lambda name: one.weights[name] < 0)  # the one that is subtracted last
        rows, note = shared(self.rows(one), arms, every=one.kind != "best")
        return Scores(rows), note

    def blocks(self, one: Contrast, targets: Sequence[str] = ()) -> dict[str, Cells]:
        """Of each arm of a contrast the scores on these targets; none: on all."""
        found = {}
        for name in one.weights:
            if name not in self.read:
                self.read[name] = cells(self.frame, name)
            block = self.read[name]
            spoken = one.languages
            keep = np.array(
                [
                    (not targets or task in targets) and (not spoken or code in spoken)
                    for task, code in block.units
                ]
            )
            if not keep.any():
                raise XferError(f"{name} has no scores on {', '.join((*targets, *spoken))}.")
            found[name] = block if keep.all() else block.select(keep)
        return found

    def rows(self, one: Contrast) -> pd.DataFrame:
        """The rows that a contrast is about."""
        rows = self.frame[self.frame["condition"].isin(list(one.weights))]
        rows = rows[rows["language"].isin(one.languages)] if one.languages else rows
        return rows[rows["task"].isin(one.targets)] if one.targets else rows


def _sum(one: Contrast, scores: Scores, population: str, level: float) -> Estimate:
    here = scores.blocks(one, one.targets)
    if not one.less:
        return combined(here, one.weights, population, level)
    pairs = dict(zip(one.less, one.targets, strict=True))
    there = {
        name: replace(block, units=tuple((pairs[task], code) for task, code in block.units))
        for name, block in scores.blocks(one, one.less).items()
    }
    both = [(f"{name} here", block, one.weights[name]) for name, block in here.items()]
    both += [(f"{name} there", block, -one.weights[name]) for name, block in there.items()]
    common = set.intersection(*(set(block.units) for _, block, _ in both))
    alike = {name: _ordered(block, sorted(common)) for name, block, _ in both}
    return combined(alike, {name: weight for name, _, weight in both}, population, level)


def _sets(one: Contrast, scores: Scores, population: str, level: float) -> Estimate:
    """The sets of one side against those of the other; with ``less``, of what they do beyond elsewhere."""
    here = scores.blocks(one, one.targets)
    values = {name: (block.values * block.weights).sum(-1) for name, block in here.items()}
    if one.less:
        there = scores.blocks(one, one.less)
        values = {
            name: of - (there[name].values * there[name].weights).sum(-1) for name, of in values.items()
        }
    first, second = (
        [values[name] for name, weight in one.weights.items() if (weight > 0) == positive]
        for positive in (True, False)
    )
    block = next(iter(here.values()))
    n = {"languages": len(block.languages), "tasks": len(block.tasks)}
    return between_sets(first, second, level=level, population=population, n=n)


def _ordered(block: Cells, units: Sequence[tuple[str, str]]) -> Cells:
    """The block with these units, in this order."""
    places = [block.units.index(unit) for unit in units]
    chosen = tuple(units)
    return replace(block, values=block.values[..., places], units=chosen, weights=unit_weights(chosen))


def _slope(one: Contrast, scores: Scores, population: str, level: float) -> Estimate:
    """How the weighted sum changes with the distance to English, in points per standard deviation."""
    blocks = scores.blocks(one, one.targets)
    first = next(iter(blocks.values()))
    keep = np.array([code != "en" for _, code in first.units])
    whole = replace(first, values=sum(weight * blocks[name].values for name, weight in one.weights.items()))
    block = whole.select(keep)
    measure = one.measure or PRIMARY
    distances = {code: languages.distance(code, "en", measure) for code in block.languages}
    return slope_of(block, distances, population=population, level=level)


def _spread(one: Contrast, scores: Scores, status: str, level: float) -> Found:
    (first,) = (name for name, weight in one.weights.items() if weight > 0)
    (second,) = (name for name, weight in one.weights.items() if weight < 0)
    estimate, table = spread_ratio(scores.rows(one), first, second, level=level)
    counts = [int(n) for n in table["languages"]]
    margin = one.margin or RATIO
    return Found(
        one,
        estimate,
        status,
        margin,
        detectable=detectable_ratio(counts, level),
        power=spread_power(margin, counts, level),
        table=table,
    )


def _order(study: Study, one: Contrast, scores: Scores, status: str, level: float) -> Found:
    blocks = scores.blocks(one, one.targets)
    estimate, table = orders.among_random(study, one, blocks, study.population, level)
    count, margin = estimate.n["orders"], one.margin or study.margin
    sd = float(table.loc[table["order"] != one.measure, "difference"].std())
    return Found(
        one,
        estimate,
        status,
        margin,
        p_equivalence=equivalence(estimate, margin),
        detectable=orders.detectable(sd, count, level) if sd > 0 else math.nan,
        power=orders.power(margin / sd, count, level) if sd > 0 else math.nan,
        table=table,
    )


def _sizes(study: Study, one: Contrast, scores: Scores, status: str, level: float) -> Found:
    estimate, table = over_sizes(study, one, scores.blocks(one, one.targets), level)
    margin = one.margin or study.margin
    return Found(
        one,
        estimate,
        status,
        margin,
        p_equivalence=equivalence(estimate, margin),
        detectable=detectable(estimate),
        table=table,
    )


def best_of_each(
    one: Contrast, scores: Scores, dev: pd.DataFrame | None, population: str, level: float
) -> tuple[Estimate, pd.DataFrame]:
    """Of each target the arm that is best on English dev with the first half of the seeds, scored on test
    with the other half, against the arm of negative weight.

    Targets that nothing is trained for have no dev score: for them the first half's mean over languages on
    test is taken, which the chosen arm's items share with its score (said in the notes).
    """
    (against,) = (name for name, weight in one.weights.items() if weight < 0)
    arms = [name for name, weight in one.weights.items() if weight > 0]
    seeds = sorted(scores.frame["seed"].unique())
    if len(seeds) < 4:
        raise XferError(
            f"{one.name}: {len(seeds)} seeds are too few to choose with some and score with others.",
            "Give at least 4.",
        )
    choosing, scoring = seeds[: len(seeds) // 2], seeds[len(seeds) // 2 :]
    rows = scores.rows(one)
    chosen, without = {}, []
    for task in rows["task"].unique():
        here = rows[rows["task"] == task]
        among = [name for name in arms if name in set(here["condition"])]
        known = None if dev is None else dev[(dev["task"] == task) & dev["seed"].isin(choosing)]
        if known is None or not set(among) <= set(known["condition"]):
            known = here[here["seed"].isin(choosing)]
            without.append(str(task))
        means = known[known["condition"].isin(among)].groupby("condition")["score"].mean()
        chosen[task] = str(means.reindex(among).idxmax())
    fresh = rows[rows["seed"].isin(scoring)]
    composed = fresh[fresh["condition"] == fresh["task"].map(chosen)].assign(condition=COMPOSED)
    both = pd.concat([composed, fresh[fresh["condition"] == against]], ignore_index=True)
    found = difference(both, COMPOSED, against, population=population, level=level)
    table = pd.DataFrame({"task": list(chosen), "chosen": list(chosen.values())})
    note = f"no dev scores: chosen on test with other seeds: {', '.join(without)}" if without else ""
    first, second = (", ".join(map(str, of)) for of in (choosing, scoring))
    said = f"chosen with seeds {first}, scored with {second}"
    return found.noted(said, note), table


def primary(found: Sequence[Found]) -> list[Found]:
    """The contrasts that the answer is about: those declared primary, else the first."""
    return [one for one in found if one.contrast.primary] or list(found[:1])


def by_name(found: Sequence[Found]) -> Mapping[str, Found]:
    return {one.contrast.name: one for one in found}
