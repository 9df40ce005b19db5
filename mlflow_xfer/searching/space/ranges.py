"""What a search may vary besides the subset of tasks:
each parameter's range, and when the parameter means anything.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

from mlflow_xfer.params.chain import Training
from mlflow_xfer.params.declare import Parameter, parameters
from mlflow_xfer.params.settings import CombiningSettings
from mlflow_xfer.params.settings import meant as is_meant
from mlflow_xfer.params.values import typed

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


SEVERAL = parameters(CombiningSettings)
"""Settings of several intermediate tasks, by name."""

PHASES = ("intermediate", "target")
BARE = tuple(name for name, one in parameters(Training).items() if one.facts.varies)
"""Settings of every training phase, the target's included."""

KINDS = {
    name: SEVERAL[name].choices for one in SEVERAL.values() for name in one.facts.when if name in SEVERAL
}
"""Settings that the existence of others depends on, with their values."""


def _open(name: str, declared: Parameter) -> Range:
    varies = declared.facts.varies
    assert varies is not None, f"{name} may not vary"
    choices = varies.choices or (declared.choices if varies.low is None else ())
    return Range(name, varies.low, varies.high, varies.log, choices=choices, whole=varies.whole)


OPEN: dict[str, Range] = {
    **{name: _open(name, one) for name, one in SEVERAL.items() if one.facts.varies},
    **{name: _open(name, parameters(Training)[name]) for name in BARE},
    **{
        f"{phase}.{name}": _open(f"{phase}.{name}", parameters(Training)[name])
        for phase in PHASES
        for name in BARE
    },
}
"""Every parameter that a search may vary, with the range that ``open`` stands for.
A bare name goes to every training phase.
"""

FIRST = {
    name: one.facts.varies.first
    for name, one in SEVERAL.items()
    if one.facts.varies and one.facts.varies.first is not None
}
"""Where a search begins with a setting, if not in the middle of its range."""


def _preset(space: str) -> tuple[str, ...]:
    """The parameters of a space with a name, as they are declared."""
    several = [name for name, one in SEVERAL.items() if one.facts.varies and space in one.facts.varies.spaces]
    scoped = [
        f"{phase}.{name}"
        for name in BARE
        if (varies := parameters(Training)[name].facts.varies) and space in varies.spaces
        for phase in varies.phases
    ]
    return (*several, *scoped)


PRESETS: dict[str, tuple[str, ...]] = {
    space: _preset(space) for space in ("tasks", "mixing", "merging", "rates", "all")
}
"""Spaces with a name; ``tasks`` (the default) varies the subset alone.
What the command's ``combine`` gives no meaning is left out.
"""


def way(name: str) -> str:
    """The ``combine`` without which a setting means nothing; empty for settings of any."""
    return next(iter(SEVERAL[name].facts.when.get("combine", ())), "") if name in SEVERAL else ""


def chosen_by(name: str) -> str:
    """The setting whose value decides whether ``name`` means anything: of mixing ``mixing``, of merging
    ``merge_method``."""
    return next(kind for kind in KINDS if way(kind) == way(name))


def meant(name: str, kind: str) -> bool:
    """Whether a parameter of mixing (of merging) means anything with this ``mixing`` (this
    ``merge_method``).
    """
    return is_meant(name, {"combine": way(name), chosen_by(name): kind})
