"""From a difference to a verdict: better, worse, equivalent, or not enough power; and the whole
in a machine-readable form."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from mlflow_xfer.reporting.columns import points
from mlflow_xfer.stats.blocks import Cells
from mlflow_xfer.stats.estimate import THESE, Estimate
from mlflow_xfer.stats.means import contrast
from mlflow_xfer.stats.multiplicity import holm
from mlflow_xfer.stats.power import detectable, equivalence, equivalence_interval, seeds_needed

BETTER, WORSE, EQUIVALENT, UNDECIDED = "better", "worse", "equivalent", "not enough power"
ALIKE = "every seed scores the same"
REGISTERED, EXPLORATORY = "pre-registered", "exploratory"
ENOUGH = 10  # seeds from which the printed power is within 5 points of how often the margin is found


@dataclass(frozen=True)
class Contrast:
    """One condition against the baseline. p-values and powers are 0-1, the rest points.

    ``p_corrected`` and ``p_equivalence``: Holm over the contrasts of the same status. ``equivalence_low`` and
    ``equivalence_high``: the interval that lies within the margin of what is equivalent, of level
    ``equivalence_level`` and for this comparison alone, like ``low`` and ``high``. ``detectable``: what this
    design finds in 8 of 10 cases, whatever the other contrasts of the status say (Holm's strictest level).
    ``seeds_needed``: for the margin likewise, at this spread between seeds (``None``: more than 1,000, or
    unknown).
    """

    condition: str
    baseline: str
    verdict: str
    status: str
    estimate: float
    low: float
    high: float
    p: float
    p_corrected: float
    p_equivalence: float
    equivalence_low: float
    equivalence_high: float
    equivalence_level: float
    detectable: float
    seeds_needed: int | None
    margin: float
    population: str
    method: str
    n: dict[str, int]
    notes: tuple[str, ...]

    @property
    def alike(self) -> bool:
        """Whether all replicates score the same, so that there is nothing to infer from."""
        several = max(self.n.get("seeds", 0), self.n.get("bases", 0)) > 1
        return several and math.isfinite(self.estimate) and not math.isfinite(self.low)

    @property
    def shown(self) -> str:
        """The verdict in words: where all replicates score the same there is none, however many they are."""
        return ALIKE if self.alike else self.verdict

    def as_dict(self) -> dict[str, Any]:
        """For JSON: what is not a number is ``None``."""
        return {
            k: (None if isinstance(v, float) and not math.isfinite(v) else v) for k, v in asdict(self).items()
        }


def decide(low_p: float, estimate: float, p_equivalence: float, alpha: float = 0.05) -> str:
    """The verdict of one contrast from its corrected p, its sign and the corrected p of equivalence.

    ``equivalent``: two one-sided tests at ``alpha`` place the difference within the margin, as its interval
    of level ``1 - 2 * alpha`` does. A difference that is found and lies within the margin all the same is
    ``equivalent``: it is too small to matter.
    """
    if p_equivalence <= alpha:
        return EQUIVALENT
    if low_p <= alpha:
        return BETTER if estimate > 0 else WORSE
    return UNDECIDED


def verdicts(
    blocks: Sequence[Cells],
    baseline: Cells | Sequence[Cells],
    *,
    registered: Sequence[str] = (),
    margin: float = 1.0,
    population: str = THESE,
    level: float = 0.95,
) -> list[Contrast]:
    """Every block against the baseline (one for all, or one for each), corrected within the registered and
    within the exploratory contrasts.

    Registered contrasts must have been written down before the first run; they do
    not pay for the exploratory ones.
    """
    bases = [baseline] * len(blocks) if isinstance(baseline, Cells) else list(baseline)
    found = [contrast(*both, population, level) for both in zip(blocks, bases, strict=True)]
    apart = [equivalence(one, margin) for one in found]
    status = [REGISTERED if block.condition in registered else EXPLORATORY for block in blocks]
    corrected, equal = np.full(len(found), math.nan), np.full(len(found), math.nan)
    strict = {}
    for kind in (REGISTERED, EXPLORATORY):
        index = [i for i, s in enumerate(status) if s == kind]
        strict[kind] = 1 - (1 - level) / max(len(index), 1)
        if index:
            corrected[index] = holm([found[i].p for i in index])
            equal[index] = holm([apart[i] for i in index])
    return [
        _contrast(block, base, one, float(p), float(q), kind, margin, 1 - level, strict[kind])
        for block, base, one, p, q, kind in zip(blocks, bases, found, corrected, equal, status, strict=True)
    ]


def _contrast(
    block: Cells,
    baseline: Cells,
    found: Estimate,
    p: float,
    q: float,
    status: str,
    margin: float,
    alpha: float,
    strict: float,
) -> Contrast:
    verdict = decide(p, found.estimate, q, alpha)
    needed = None
    if (
        found.se > 0
        and found.n.get("seeds", 0) > 1
        and found.population == THESE
        and found.method.startswith("paired t")
    ):
        needed = seeds_needed(margin, found.se * found.n["seeds"] ** 0.5, level=strict)
    return Contrast(
        block.condition,
        baseline.condition,
        verdict,
        status,
        found.estimate,
        found.low,
        found.high,
        found.p,
        p,
        q,
        *equivalence_interval(found, alpha),
        round(1 - 2 * alpha, 6),
        detectable(found, level=strict),
        needed,
        margin,
        found.population,
        found.method,
        found.n,
        found.notes,
    )


def p_text(p: float) -> str:
    """A p-value for reading."""
    if p is None or not math.isfinite(p):
        return "–"
    return "< .001" if p < 0.001 else f"{p:.3f}".lstrip("0") if p < 1 else "1"


def sentence(one: Contrast) -> str:
    """The answer in two sentences: the difference with its interval, and what the design could have found."""
    where = f"over {counted(one.n, 'tasks', 'task')} and {counted(one.n, 'languages', 'language')}"
    seeds = counted(one.n, "seeds", "seed")
    if not math.isfinite(one.low):
        scored = f"{one.condition} scores {points(one.estimate, True)} points against {one.baseline} {where}"
        if one.n.get("seeds", 0) > 1:
            return f"{scored}, the same with each of {seeds}: that is nothing to infer from."
        allow = "allows" if one.n.get("seeds") == 1 else "allow"
        return f"{scored}, but {seeds} {allow} no interval. Nothing is decided: run more seeds."
    said = {
        BETTER: f"{one.condition} is better than {one.baseline}",
        WORSE: f"{one.condition} is worse than {one.baseline}",
        EQUIVALENT: f"{one.condition} and {one.baseline} are equivalent within {points(one.margin)} points",
        UNDECIDED: f"Whether {one.condition} differs from {one.baseline} cannot be told: not enough power",
    }[one.verdict]
    kind = "pre-registered" if one.status == REGISTERED else "exploratory"
    first = f"{said} ({points(one.estimate, True)} points, {_decided_by(one)}, {seeds}, {where}; {kind})."
    finds = f"{points(one.detectable)} points in 8 of 10 cases{optimistic(one.n)}"
    second = f"This design finds a difference of {finds}"
    if one.seeds_needed and one.verdict == UNDECIDED:
        second += (
            f"; for {points(one.margin)} {'point' if one.margin == 1 else 'points'} "
            f"it would take about {one.seeds_needed} seeds"
        )
    return f"{first} {second}."


def optimistic(n: Mapping[str, int]) -> str:
    """That power which is estimated from few seeds' spread, or of one seed from few bases', is too high on
    average: by 8 to 15 of 100 (``benchmarks/planted.md``); empty where they are enough."""
    what = "bases" if n.get("seeds") == 1 and n.get("bases", 1) > 1 else "seeds"
    few = n.get(what, ENOUGH)  # of models as the unit there are none
    return f" (optimistic: estimated from {few} {what if few != 1 else what[:-1]})" if few < ENOUGH else ""


def _decided_by(one: Contrast) -> str:
    """The interval and the corrected p that a verdict rests on."""
    ends, level, name, p = (one.low, one.high), 0.95, "corrected p", one.p_corrected
    if one.verdict == EQUIVALENT:
        ends, level = (one.equivalence_low, one.equivalence_high), one.equivalence_level
        name, p = "corrected p of equivalence", one.p_equivalence
    low, high = (points(end, True) for end in ends)
    equals = "" if p_text(p).startswith("<") else "= "
    return f"{100 * level:.0f} % interval {low} to {high}, {name} {equals}{p_text(p)}"


def counted(n: Mapping[str, int], key: str, singular: str) -> str:
    """How many there are, in words."""
    count = n.get(key, 0)
    return f"{count} {singular if count == 1 else key}"
