"""What each kind of contrast is computed by: its estimate, its table, and what such a design can find."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypedDict

import numpy as np
import pandas as pd

from mlflow_xfer import languages
from mlflow_xfer.errors import XferError
from mlflow_xfer.stats.blocks import Cells
from mlflow_xfer.stats.dispersion import spread_ratio
from mlflow_xfer.stats.estimate import LIKE_THESE, Estimate, varies
from mlflow_xfer.stats.interaction import combined, slope_of
from mlflow_xfer.stats.means import difference
from mlflow_xfer.stats.power import detectable, equivalence, power_of
from mlflow_xfer.stats.sets import between_sets
from mlflow_xfer.stats.typology import PRIMARY
from mlflow_xfer.studies import orders
from mlflow_xfer.studies.foresight import detectable_ratio, spread_power
from mlflow_xfer.studies.scores import Scores, check_alike, ordered, side
from mlflow_xfer.studies.sizes import over_sizes
from mlflow_xfer.studies.study import Contrast, Study

RATIO = 0.8  # the ratio of spreads that matters, where nothing else is said
COMPOSED = "best of each"


class Reach(TypedDict, total=False):
    """What a ``Found`` says of its design, as far as it is known."""

    p_equivalence: float
    detectable: float
    power: float


@dataclass(frozen=True)
class Levels:
    """Levels of confidence: that of an interval, and that at which one of ``among`` contrasts is found for
    sure: Holm's strictest."""

    own: float
    among: int = 1

    @property
    def strict(self) -> float:
        return 1 - (1 - self.own) / max(self.among, 1)


Measured = tuple[Estimate, pd.DataFrame | None, Reach]
"""An estimate, its table, and what such a design can find."""


def measured(study: Study, one: Contrast, scores: Scores, dev: pd.DataFrame | None, at: Levels) -> Measured:
    """A contrast on scores.

    Raises:
        XferError: it cannot be had from them.
    """
    return MEASURES.get(one.kind, _points)(study, one, scores, dev, at)


def margin_of(study: Study, one: Contrast) -> float:
    """The smallest difference, or ratio, that matters to a contrast."""
    return one.margin or (RATIO if one.kind == "spread" else study.margin)


def _spread(study: Study, one: Contrast, scores: Scores, dev: pd.DataFrame | None, at: Levels) -> Measured:
    """The ratio of two arms' spreads over languages, and the ratios task by task."""
    (first,) = (name for name, weight in one.weights.items() if weight > 0)
    (second,) = (name for name, weight in one.weights.items() if weight < 0)
    estimate, table = spread_ratio(scores.rows(one), first, second, level=at.own)
    counts = [int(n) for n in table["languages"]]
    reach: Reach = {
        "detectable": detectable_ratio(counts, at.strict),
        "power": spread_power(margin_of(study, one), counts, at.strict),
    }
    return estimate, table, reach


def _order(study: Study, one: Contrast, scores: Scores, dev: pd.DataFrame | None, at: Levels) -> Measured:
    """One order among random ones, and where each lies. That it is like them is never claimed: so few orders
    cannot show it."""
    blocks = scores.blocks(one, one.targets)
    estimate, table = orders.among_random(study, one, blocks, study.population, at.own)
    count, margin, reach = estimate.n["orders"], margin_of(study, one), Reach()
    if varies(sd := orders.spread_of(table, one.measure)):
        reach["detectable"] = orders.detectable(sd, count, at.strict)
        reach["power"] = orders.power(margin / sd, count, at.strict)
    return estimate, table, reach


def _sizes(study: Study, one: Contrast, scores: Scores, dev: pd.DataFrame | None, at: Levels) -> Measured:
    """The slope over model sizes, and the effect at each."""
    estimate, table = over_sizes(study, one, scores.blocks(one, one.targets), at.own)
    equal = equivalence(estimate, margin_of(study, one))
    return estimate, table, {"p_equivalence": equal, "detectable": detectable(estimate, level=at.strict)}


def _points(study: Study, one: Contrast, scores: Scores, dev: pd.DataFrame | None, at: Levels) -> Measured:
    """A difference in points; of ``best`` what was chosen."""
    table = None
    if one.kind == "best":
        estimate, table = best_of_each(one, scores, dev, study.population, at.own)
    else:
        made = {"slope": _slope, "sets": _sets}.get(one.kind, _sum)
        estimate = made(one, scores, study.population, at.own)
    margin = margin_of(study, one)
    reach: Reach = {
        "p_equivalence": equivalence(estimate, margin),
        "detectable": detectable(estimate, level=at.strict),
        "power": power_of(estimate, margin, at.strict),
    }
    return estimate, table, reach


MEASURES = {"spread": _spread, "sizes": _sizes, "order": _order}
"""Of kinds of contrasts that are not a difference in points."""


def _sum(one: Contrast, scores: Scores, population: str, level: float) -> Estimate:
    if not one.less:
        return combined(scores.blocks(one, one.targets), one.weights, population, level)
    beyond, note = _beyond(one, scores)
    return combined(beyond, one.weights, population, level).noted(note)


def _beyond(one: Contrast, scores: Scores) -> tuple[dict[str, Cells], str]:
    """Of each arm, target by target, what it scores beyond its score on the one that ``less`` pairs with it,
    in the languages that all of these have; and which are left out, in words."""
    pairs = [f"{here} less {there}" for here, there in zip(one.targets, one.less, strict=True)]
    first = {name: side(block, one.targets, pairs) for name, block in scores.blocks(one, one.targets).items()}
    second = {name: side(block, one.less, pairs) for name, block in scores.blocks(one, one.less).items()}
    every = [set(block.units) for block in (*first.values(), *second.values())]
    common = sorted(set.intersection(*every))
    left = sorted({code for _, code in set.union(*every)} - {code for _, code in common})
    found = {}
    for name, block in first.items():
        here, there = ordered(block, common), ordered(second[name], common)
        found[name] = replace(here, values=here.values - there.values)
    return found, f"not in {', '.join(left)}: not in both targets of a pair" if left else ""


def _sets(one: Contrast, scores: Scores, population: str, level: float) -> Estimate:
    """The sets of one side against those of the other; with ``less``, of what they do beyond elsewhere."""
    here, note = _beyond(one, scores) if one.less else (scores.blocks(one, one.targets), "")
    check_alike(here, one.weights)
    values = {name: (block.values * block.weights).sum(-1) for name, block in here.items()}
    first, second = (
        [values[name] for name, weight in one.weights.items() if (weight > 0) == positive]
        for positive in (True, False)
    )
    block = next(iter(here.values()))
    n = {"languages": len(block.languages), "tasks": len(block.tasks)}
    return between_sets(first, second, level=level, population=population, n=n).noted(note)


def _slope(one: Contrast, scores: Scores, population: str, level: float) -> Estimate:
    """How the weighted sum changes with the distance to English, in points per standard deviation. Languages
    are its sample, whatever the study is about."""
    blocks = scores.blocks(one, one.targets)
    check_alike(blocks, one.weights)
    first = next(iter(blocks.values()))
    keep = np.array([code != "en" for _, code in first.units])
    whole = replace(first, values=sum(weight * blocks[name].values for name, weight in one.weights.items()))
    block = whole.select(keep)
    measure = one.measure or PRIMARY
    distances = {code: languages.distance(code, "en", measure) for code in block.languages}
    return slope_of(block, distances, population=LIKE_THESE, level=level)


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
