"""A range as the user writes it: text, number, list or mapping, checked by what the verbs accept.

On the command line and in YAML alike::

    0:0.5          from 0 to 0.5
    1e-5:1e-3:log  the same, on a logarithmic scale
    1:5:1          in steps of 1
    16|32|64       one of these
    open           the default range (``ranges.OPEN``)
    2e-5           fixed
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mlflow_xfer.errors import Problems, XferError
from mlflow_xfer.params.chain import Transfer
from mlflow_xfer.params.reading import read as read_parameters
from mlflow_xfer.params.values import typed
from mlflow_xfer.registry import unknown
from mlflow_xfer.searching.space.ranges import KINDS, OPEN, Range


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
        read_as = read_parameters(Transfer, {name: typed(value) if not isinstance(value, str) else value})
    except XferError as error:
        problems.add(error)
        return None
    accepted = read_as.training(phase).get(bare, "auto") if phase else getattr(read_as, bare)
    if accepted == "auto":
        problems.add(
            f"The space of {name} holds 'auto'.",
            "Give values; leave the parameter out to keep the task's recipe.",
        )
    return (
        int(accepted)
        if isinstance(accepted, float) and accepted.is_integer() and OPEN[name].whole
        else accepted
    )


def _number(name: str, what: str, value: Any, problems: Problems) -> float | None:
    if value is None:
        return None
    try:
        return float(value)
    except (TypeError, ValueError):
        problems.add(f"The range of {name}: {what} {value!r} is no number.")
        return None
