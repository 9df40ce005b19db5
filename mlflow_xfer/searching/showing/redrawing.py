"""The page of a search while it runs: drawn again as trials end, so that whoever looks sees how it stands."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from mlflow_xfer.searching.showing.mirror import Mirror
from mlflow_xfer.searching.trying.trials import Trial, TrialResult

SECONDS = 30.0  # between two drawings, at least
SHARE = 0.05  # of the time of a search that drawing may take


@dataclass
class Redrawing:
    """Hears what the mirror hears, and draws after it.

    Args:
        draw: draws the page.
        due: when it may be drawn next, by the monotonic clock.
    """

    mirror: Mirror
    draw: Callable[[], object]
    seconds: float = SECONDS
    due: float = field(default=0.0)

    def started(self, trial: Trial) -> None:
        self.mirror.started(trial)

    def reported(self, trial: Trial, step: int, value: float, stage: str) -> None:
        self.mirror.reported(trial, step, value, stage)

    def duplicate(self, trial: Trial, known: int) -> None:
        self.mirror.duplicate(trial, known)

    def ended(self, trial: Trial, state: str, outcome: TrialResult | None, error: str | None) -> None:
        self.mirror.ended(trial, state, outcome, error)
        begun = time.monotonic()
        if begun < self.due:
            return
        self.draw()
        took = time.monotonic() - begun
        self.due = begun + max(self.seconds, took / SHARE)
