"""What every function of this package returns for a quantity:
estimate, interval, p, and on what they rest.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

THESE = "these languages"
LIKE_THESE = "languages like these"


Numbers = Sequence[float] | np.ndarray
"""Values of one sort, [n]."""

ROUNDING = 1e-9


def varies(spread: float, mean: float = 0.0) -> bool:
    """Whether a standard error or deviation is more than rounding: means and differences of scores that are
    the same differ in their last digits."""
    return spread > ROUNDING * max(1.0, abs(mean))


@dataclass(frozen=True)
class Estimate:
    """An estimate with its interval.

    ``low``, ``high`` and ``p`` (two-sided, against 0) are ``nan`` where the data allow none; ``notes`` then
    says why, and carries every warning about the method. ``df``: degrees of freedom behind ``se``
    (Satterthwaite where mixed). ``parts``: variance of the estimate by source. ``n``: counts of seeds, base
    seeds, languages, tasks.
    """

    estimate: float
    low: float = math.nan
    high: float = math.nan
    p: float = math.nan
    se: float = math.nan
    df: float = math.nan
    level: float = 0.95
    method: str = ""
    population: str = THESE
    n: dict[str, int] = field(default_factory=dict)
    parts: dict[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def noted(self, *notes: str) -> Estimate:
        """The same estimate with more notes (empty ones dropped, each once)."""
        return replace(self, notes=tuple(dict.fromkeys((*self.notes, *filter(None, notes)))))

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON; ``nan`` and infinities become ``None``."""
        return {
            k: (None if isinstance(v, float) and not math.isfinite(v) else v) for k, v in asdict(self).items()
        }

    def __str__(self) -> str:
        if math.isnan(self.low):
            return f"{self.estimate:+.2f} (no interval)"
        return f"{self.estimate:+.2f} [{self.low:+.2f}, {self.high:+.2f}]"
