"""For which task and which language: every condition against its baseline, task by task."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mlflow_xfer.reporting.verdict import BETTER, WORSE, Contrast, points, verdicts
from mlflow_xfer.stats.blocks import Cells
from mlflow_xfer.stats.by_language import Effects, effects_by_language
from mlflow_xfer.stats.means import paired

DEMONSTRATION = 5  # below so many seeds a result is a demonstration
DRAWN = "drawn to the mean; intervals hold for all languages at once"
"""How the effects of languages are estimated."""


@dataclass(frozen=True)
class Finding:
    """One condition on one task: the difference over its languages, and language by language.

    ``contrast``: its interval is for this comparison alone, its verdict corrected over all conditions and
    tasks. ``effects``: None where the two do not share their seeds.
    """

    task: str
    contrast: Contrast
    effects: Effects | None

    @property
    def decided(self) -> bool:
        return self.contrast.verdict in (BETTER, WORSE)

    def as_dict(self) -> dict[str, Any]:
        """For JSON: the comparison, and by language its effect with its joint interval."""
        said: dict[str, Any] = {"task": self.task, **self.contrast.as_dict()}
        if self.effects is not None:
            table = self.effects.table.astype(object)
            said["languages"] = {
                "gain": self.effects.gain,
                "lose": self.effects.lose,
                "shrinkage": self.effects.shrinkage,
                "effects": table.where(table.notna(), None).to_dict("records"),
            }
        return said


def findings(pairs: Sequence[tuple[Cells, Cells]], margin: float) -> list[Finding]:
    """Of each condition beside its baseline, one finding for each task."""
    apart = [
        (task, first.select(keep), second.select(keep))
        for first, second in pairs
        for task in first.tasks
        for keep in [np.array([of == task for of, _ in first.units])]
    ]
    contrasts = verdicts([one[1] for one in apart], [one[2] for one in apart], margin=margin)
    return [
        Finding(task, contrast, _effects(first, second))
        for (task, first, second), contrast in zip(apart, contrasts, strict=True)
    ]


def _effects(first: Cells, second: Cells) -> Effects | None:
    if not paired(first, second):
        return None
    return effects_by_language(replace(first, values=first.values - second.values))[0]


def who_gains(effects: Effects | None) -> str:
    """How many of a task's languages gain or lose, as far as their joint intervals say."""
    if effects is None or not effects.table["low"].notna().any():
        return ""
    said = [
        f"{_count(n, effects.languages)} {verb}"
        for n, verb in ((effects.gain, "gain"), (effects.lose, "lose"))
        if n
    ]
    return " and ".join(said) or f"no single language of {effects.languages} is told from 0"


def _count(n: int, of: int) -> str:
    return f"all {of} languages" if n == of > 1 else f"at least {n} of {of} languages"


def bracketed(estimate: float, low: float, high: float) -> str:
    """``+6.4 [+5.4, +7.4]``."""
    interval = f" [{points(low, True)}, {points(high, True)}]" if math.isfinite(low) else ""
    return f"{points(estimate, True)}{interval}"
