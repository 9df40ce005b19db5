"""What a search may vary besides the subset of tasks:
each parameter's range, and when the parameter means anything.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

from mlflow_xfer.params import typed

DIGITS = 3
"""Significant digits of a drawn number: what a user can read and type again, finer than any effect."""


@dataclass(frozen=True)
class Range:
    """Values that one parameter may take: between two numbers, one of several, or one fixed value.

    Args:
        name: as the verbs take it, ``mlm_share``, ``intermediate.learning_rate``.
        low, high: bounds, both included; whole numbers if ``whole``.
        choices: the values, in place of bounds; one value = fixed.
        step: distance of neighbouring values; None: any value between the bounds.
    """

    name: str
    low: float | None = None
    high: float | None = None
    log: bool = False
    step: float | None = None
    choices: tuple[Any, ...] = ()
    whole: bool = False

    @property
    def fixed(self) -> bool:
        return len(self.choices) == 1 or (not self.choices and self.low == self.high)

    @property
    def value(self) -> Any:
        """The value of a fixed range."""
        return self.choices[0] if self.choices else self.low

    @property
    def bounds(self) -> tuple[float, float]:
        """The numbers that a range without choices lies between."""
        assert self.low is not None and self.high is not None, f"{self.name} has choices"
        return self.low, self.high

    def values(self) -> tuple[Any, ...] | None:
        """All values, or None where there is a continuum."""
        if self.choices:
            return self.choices
        if self.fixed:
            return (self.low,)
        step = self.step or (1 if self.whole else None)
        if step is None:
            return None
        low, high = self.bounds
        n = int((high - low) / step + 1e-9) + 1
        return tuple(self.tidy(low + i * step) for i in range(n))

    def gridded(self, levels: int) -> Range:
        """So many values, evenly spaced on the range's scale; all of them where there are no more."""
        values = self.values()
        if self.choices or (values is not None and len(values) <= levels):
            return self
        low, high = (math.log(v) if self.log else v for v in self.bounds)
        points = [low + (high - low) * i / (levels - 1) for i in range(levels)]
        return replace(
            self,
            low=None,
            high=None,
            log=False,
            step=None,
            choices=tuple(dict.fromkeys(self.tidy(math.exp(p) if self.log else p) for p in points)),
        )

    def tidy(self, value: Any) -> Any:
        """``value`` as it is trained and shown: a number of :data:`DIGITS` digits within the bounds."""
        if self.choices:
            return value
        if self.whole:
            return int(value)
        low, high = self.bounds
        return float(min(max(float(f"{value:.{DIGITS}g}"), low), high))

    def holds(self, value: Any) -> bool:
        """Whether ``value`` lies within."""
        if self.choices:
            return value in self.choices
        low, high = self.bounds
        return isinstance(value, (int, float)) and not isinstance(value, bool) and low <= value <= high

    def __str__(self) -> str:
        if self.choices:
            return "|".join(map(typed, self.choices))
        if self.fixed:
            return typed(self.low)
        return f"{self.low:g}:{self.high:g}" + (
            ":log" if self.log else f":{self.step:g}" if self.step else ""
        )


def _rate(name: str) -> Range:
    return Range(name, 5e-6, 1e-3, log=True)


MIXING = ("mixing", "mixing_cap", "mixing_temperature")
MERGING = ("merge_method", "merge_weight", "merge_density")
KINDS = {
    "mixing": ("proportional", "temperature", "uniform"),
    "merge_method": ("average", "task_arithmetic", "ties"),
}  # what others depend on
PHASES = ("intermediate", "target")
_TRAINING = {
    "learning_rate": _rate,
    "num_train_epochs": lambda name: Range(name, 1, 5, whole=True),
    "max_steps": lambda name: Range(name, 100, 20_000, log=True, whole=True),
    "train_batch_size": lambda name: Range(name, choices=(8, 16, 32, 64)),
    "max_seq_length": lambda name: Range(name, choices=(64, 128, 256)),
    "max_train_examples": lambda name: Range(name, 500, 50_000, log=True, whole=True),
}

BARE = tuple(_TRAINING)
"""Settings of every training phase, the target's included."""

OPEN: dict[str, Range] = {
    **{name: Range(name, choices=kinds) for name, kinds in KINDS.items()},
    "mixing_cap": Range(
        "mixing_cap", 2**10, 2**21, log=True, whole=True
    ),  # T5 tries K = 2^16 ... 2^21; mini's tasks have 1,200 rows
    "mixing_temperature": Range("mixing_temperature", 1.0, 8.0),  # T5 tries 2, 4, 8
    "mlm_share": Range("mlm_share", 0.0, 0.5),
    "merge_weight": Range("merge_weight", 0.1, 1.5),
    "merge_density": Range("merge_density", 0.05, 0.5),
    **{name: make(name) for name, make in _TRAINING.items()},
    **{f"{phase}.{name}": make(f"{phase}.{name}") for phase in PHASES for name, make in _TRAINING.items()},
}
"""Every parameter that a search may vary, with the range that ``open`` stands for.
A bare name goes to every training phase.
"""

PRESETS: dict[str, tuple[str, ...]] = {
    "tasks": (),
    "mixing": (*MIXING, "mlm_share"),
    "merging": MERGING,
    "rates": ("intermediate.learning_rate", "target.learning_rate", "intermediate.num_train_epochs"),
    "all": (
        *MIXING,
        *MERGING,
        "mlm_share",
        "intermediate.learning_rate",
        "target.learning_rate",
        "intermediate.num_train_epochs",
    ),
}
"""Spaces with a name; ``tasks`` (the default) varies the subset alone.
What the command's ``combine`` gives no meaning is left out.
"""


def meant(name: str, kind: str) -> bool:
    """Whether a parameter of mixing (of merging) means anything with this ``mixing`` (this
    ``merge_method``).
    """
    return {
        "mixing": True, "mixing_cap": kind != "uniform", "mixing_temperature": kind == "temperature",
        "merge_method": True, "merge_weight": kind != "average", "merge_density": kind == "ties",
    }[name]  # fmt: skip
