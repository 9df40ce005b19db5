"""What a search may vary besides the subset of tasks:
each parameter's range, and when the parameter means anything.

A range is written as a user types it, on the command line and in YAML alike::

    0:0.5          from 0 to 0.5
    1e-5:1e-3:log  the same, on a logarithmic scale
    1:5:1          in steps of 1
    16|32|64       one of these
    open           the default range below
    2e-5           fixed
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from mlflow_xfer.errors import Problems, XferError
from mlflow_xfer.params import Trained, parse, typed
from mlflow_xfer.registry import unknown

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


def read(name: str, written: Any) -> Range:
    """The range of one parameter, from what stands on the command line or in YAML.

    Args:
        written: text as in the module's docstring, a number, a list of choices, or a mapping ``low``,
            ``high``, ``log``, ``step``, ``choices``, ``value``.

    Raises:
        XferError: an unknown parameter, and every fault of its range.
    """
    name = name.replace("-", "_")
    if name not in OPEN:
        if name.startswith("pretrain."):
            raise XferError(
                f"The space holds {name!r}, but a search varies no pre-training.",
                "Make the base first: mlflow-xfer pretrain …, then model=<its run>.",
            )
        raise unknown("parameter of a space", name, OPEN)
    if isinstance(written, Mapping):
        return _checked(name, **_from_mapping(name, written))
    if isinstance(written, Sequence) and not isinstance(written, str):
        return _checked(name, choices=tuple(written))
    text = str(typed(written)).strip()
    if text == "open":
        return OPEN[name]
    if "|" in text:
        return _checked(name, choices=tuple(text.split("|")))
    low, *rest = text.split(":")
    if not rest:
        return _checked(name, choices=(low,))
    if len(rest) > 2:
        raise XferError(
            f"Range {name}={text} has {len(rest) + 1} parts.",
            "Accepted: low:high, low:high:log, low:high:step, a|b|c, open, or one value",
        )
    scale = rest[1] if len(rest) == 2 else ""
    return _checked(name, low, rest[0], scale == "log", None if scale in ("", "log") else scale)


def _from_mapping(name: str, written: Mapping[str, Any]) -> dict[str, Any]:
    known = ("low", "high", "log", "step", "choices", "value")
    problems = Problems()
    for key in written:
        if key not in known:
            problems.add(unknown(f"key of the range of {name}", str(key), known))
    forms = [
        form
        for form, keys in {
            "low and high": ("low", "high"),
            "choices": ("choices",),
            "value": ("value",),
        }.items()
        if any(k in written for k in keys)
    ]
    if len(forms) != 1 or (forms == ["low and high"] and not {"low", "high"} <= set(written)):
        problems.add(
            f"The range of {name} gives {' and '.join(map(str, written)) or 'nothing'}.",
            "Give either low and high (with log or step), or choices, or value.",
        )
    problems.raise_if_any()
    if "value" in written:
        return {"choices": (written["value"],)}
    if "choices" in written:
        chosen = written["choices"]
        return {
            "choices": tuple(chosen)
            if isinstance(chosen, Sequence) and not isinstance(chosen, str)
            else (chosen,)
        }
    return {key: written[key] for key in ("low", "high", "log", "step") if key in written}


def _checked(
    name: str,
    low: Any = None,
    high: Any = None,
    log: Any = False,
    step: Any = None,
    choices: tuple[Any, ...] = (),
) -> Range:
    """A range without contradictions; every fault of it in one error."""
    problems = Problems()
    if choices:
        values = tuple(dict.fromkeys(_accepted(name, value, problems) for value in choices))
        problems.raise_if_any()
        return Range(name, choices=values)
    if name in KINDS:
        raise XferError(f"Parameter {name} has no low and high.", f"Accepted: {OPEN[name]}")
    low, high = (_accepted(name, bound, problems) for bound in (low, high))
    step = _number(name, "step", step, problems)
    problems.raise_if_any()
    numbers = [
        bound for bound in (low, high) if isinstance(bound, (int, float)) and not isinstance(bound, bool)
    ]
    if len(numbers) < 2:
        raise XferError(
            f"The range of {name} from {typed(low)} to {typed(high)} has a bound that is no number.",
            "List such values as choices: none|1024|65536",
        )
    if not isinstance(log, bool):
        problems.add(f"The range of {name}: log={log!r} is neither true nor false.")
    if low > high:
        problems.add(
            f"The range of {name} goes from {low:g} down to {high:g}.", f"Swap them: {high:g}:{low:g}"
        )
    if log is True and low <= 0:
        problems.add(
            f"The range of {name} is logarithmic but begins at {low:g}.", "Begin above 0, or leave out log."
        )
    if log is True and step:
        problems.add(f"The range of {name} has both log and step.", "Give one of them.")
    if step is not None and (step <= 0 or (high > low and step > high - low)):
        problems.add(f"The range of {name}: a step of {step:g} does not fit between {low:g} and {high:g}.")
    whole = all(float(v).is_integer() for v in (low, high, step if step else 0)) and (
        OPEN[name].whole or bool(step) or isinstance(OPEN[name].choices[:1] and OPEN[name].choices[0], int)
    )
    problems.raise_if_any()
    if whole:
        low, high, step = int(low), int(high), None if step is None else int(step)
    return Range(name, low, high, bool(log), step, whole=whole)


def _accepted(name: str, value: Any, problems: Problems) -> Any:
    """``value`` as the verbs read it; a value that they refuse is a fault."""
    phase, _, bare = name.rpartition(".")
    try:
        shape = parse("transfer", {name: typed(value) if not isinstance(value, str) else value})
    except XferError as error:
        problems.add(error)
        return None
    assert isinstance(shape, Trained), "what transfer takes"
    found = getattr(shape.training(phase) if phase else shape, bare)
    if found == "auto":
        problems.add(
            f"The space of {name} holds 'auto'.",
            "Give values; leave the parameter out to keep the task's recipe.",
        )
    return int(found) if isinstance(found, float) and found.is_integer() and OPEN[name].whole else found


def _number(name: str, what: str, value: Any, problems: Problems) -> float | None:
    if value is None:
        return None
    try:
        return float(value)
    except (TypeError, ValueError):
        problems.add(f"The range of {name}: {what} {value!r} is no number.")
        return None
