"""What a study's contrasts say of its scores: estimates, corrected p-values, verdicts, and power."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from mlflow_xfer.errors import XferError
from mlflow_xfer.reporting.verdict import ALIKE, EQUIVALENT, EXPLORATORY, REGISTERED, UNDECIDED, decide
from mlflow_xfer.stats.estimate import Estimate
from mlflow_xfer.stats.frame import check
from mlflow_xfer.stats.multiplicity import holm
from mlflow_xfer.studies.measures import Levels, margin_of, measured
from mlflow_xfer.studies.scores import COLUMNS, Scores
from mlflow_xfer.studies.study import Contrast, Study

LESS, MORE = "less unequal", "more unequal"


@dataclass(frozen=True)
class Found:
    """One contrast on a study's scores.

    Attributes:
        estimate: in points; of ``spread`` the ratio. Its level is that of the look.
        p_corrected, p_equivalence: Holm over the contrasts of the same status.
        margin: the smallest difference, or ratio, that matters.
        detectable: what such a design finds in 8 of 10 cases, whatever the other contrasts of the status
            say (Holm's strictest level).
        power: how often it finds the margin, likewise.
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
    def p_decisive(self) -> float:
        """The corrected p that the verdict rests on."""
        return self.p_equivalence if self.verdict == EQUIVALENT else self.p_corrected

    @property
    def alike(self) -> bool:
        """Whether all seeds score the same, so that there is nothing to infer from."""
        found = self.estimate
        several = max(found.n.get("seeds", 0), found.n.get("bases", 0)) > 1
        return several and math.isfinite(found.estimate) and not math.isfinite(found.low) and not found.se > 0

    @property
    def untold(self) -> str:
        """Why there is no verdict, where there is none; else empty."""
        if self.verdict != UNDECIDED:
            return ""
        if not math.isfinite(self.estimate.estimate):
            return next(iter(self.estimate.notes), "no estimate").rstrip(".")
        return ALIKE if self.alike else UNDECIDED

    @property
    def demonstration(self) -> bool:
        """Whether what it can find is larger than what matters."""
        if self.alike:
            return False
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
    statuses = [REGISTERED if registered and one.primary else EXPLORATORY for one in study.contrasts]
    levels = {
        status: Levels(level if status == REGISTERED else 0.95, statuses.count(status)) for status in statuses
    }
    found = [
        _one(study, one, scores, dev, status, levels[status])
        for one, status in zip(study.contrasts, statuses, strict=True)
    ]
    for status in (REGISTERED, EXPLORATORY):
        places = [n for n, one in enumerate(found) if one.status == status]
        corrected = holm([found[n].estimate.p for n in places]) if places else []
        equal = holm([found[n].p_equivalence for n in places]) if places else []
        for n, p, q in zip(places, corrected, equal, strict=True):
            found[n] = _decided(found[n], float(p), float(q))
    return found


def _one(
    study: Study, one: Contrast, scores: Scores, dev: pd.DataFrame | None, status: str, levels: Levels
) -> Found:
    note, margin = "", margin_of(study, one)
    try:
        asked, scores, own = scores.without_own(one)
        if scores.gaps:
            scores, note = scores.without_gaps(asked)
        estimate, table, reach = measured(study, asked, scores, dev, levels)
    except XferError as error:  # one contrast that cannot be had leaves the others
        missing = Estimate(math.nan, level=levels.own).noted(error.what.splitlines()[0])
        return Found(one, missing, status, margin)
    return Found(one, estimate.noted(note, own), status, margin, table=table, **reach)


def _decided(one: Found, p: float, q: float) -> Found:
    alpha = 1 - one.estimate.level
    if one.contrast.kind == "spread":
        sure = p <= alpha
        verdict = (LESS if one.estimate.estimate < 1 else MORE) if sure else UNDECIDED
    else:
        verdict = decide(p, one.estimate.estimate, q, alpha)
    return replace(one, p_corrected=p, p_equivalence=q, verdict=verdict)


def primary(found: Sequence[Found]) -> list[Found]:
    """The contrasts that the answer is about: those declared primary, else the first."""
    return [one for one in found if one.contrast.primary] or list(found[:1])


def by_name(found: Sequence[Found]) -> Mapping[str, Found]:
    return {one.contrast.name: one for one in found}
