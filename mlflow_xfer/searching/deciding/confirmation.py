"""What a confirmation found, as the run pages and the report read it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from mlflow_xfer.reporting.columns import significant
from mlflow_xfer.reporting.verdict import Contrast
from mlflow_xfer.searching.space.candidate import Candidate
from mlflow_xfer.stats.estimate import Estimate


@dataclass(frozen=True)
class Winner:
    """A candidate that was chosen, with what was seen and what fresh seeds say;
    differences to the baseline in points.

    Attributes:
        selected: difference of its dev score, as the search saw it.
        estimate: the same, denoised: what it was chosen by.
        dev: of the first objective (English dev, unless the search went by another) on the fresh seeds.
        test: of test on the fresh seeds, with the interval that holds for all winners at once.
        contrast: of test, with verdict; p-values corrected over the winners.
        score: its test score; ``run_id``: its condition.
    """

    candidate: Candidate
    selected: float
    estimate: float
    dev: Estimate
    test: Estimate
    contrast: Contrast
    score: float
    run_id: str


@dataclass(frozen=True)
class Confirmation:
    """The candidates on fresh seeds; empty if nothing was confirmed, and ``why`` says why.

    The first of ``winners`` is the answer: the best by English dev of the search and of the fresh seeds
    together (test chooses nothing, not even among those confirmed), of those within the margin the one with
    the fewest tasks; the others follow by their test scores.
    """

    seeds: tuple[int, ...] = ()
    winners: tuple[Winner, ...] = ()
    baseline: str = ""
    why: str = ""
    registered: tuple[str, ...] = ()


def winner_metrics(one: Winner) -> dict[str, float]:
    """What a confirmed candidate's row shows beside what it was selected by."""
    test = {
        "confirmed/avg": one.score,
        "confirmed/delta": one.test.estimate,
        "confirmed/delta_low": one.test.low,
        "confirmed/delta_high": one.test.high,
    }
    found = {**test, "confirmed/dev_delta": one.dev.estimate}
    return significant({name: value for name, value in found.items() if math.isfinite(value)})


def metrics(found: Confirmation) -> Mapping[str, float]:
    """The search's own: of the best confirmed candidate."""
    if not found.winners:
        return {}
    best = found.winners[0]
    selected = significant({"selected/delta": best.selected}) if math.isfinite(best.selected) else {}
    return {**winner_metrics(best), **selected, "n": len(found.seeds)}
