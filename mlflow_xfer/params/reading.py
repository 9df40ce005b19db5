"""What a user typed becomes typed parameters, or one error that names everything that is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any, TypeVar

from pydantic import ValidationError

from mlflow_xfer.errors import Problems, XferError
from mlflow_xfer.params.chain import TRAINED_PHASES, Trained, Training
from mlflow_xfer.params.declare import Shape, parameters
from mlflow_xfer.params.values import SAID, typed
from mlflow_xfer.registry import unknown

S = TypeVar("S", bound=Shape)


def read(shape: type[S], raw: Mapping[str, Any]) -> S:
    """Parameters of type ``shape`` from what a user typed; ``-`` and ``_`` are the same in names.

    A training parameter goes to every training phase of a command; with a phase's name in front
    (``target.learning_rate=2e-5``) it goes to that phase and wins.

    Raises:
        XferError: naming every unknown parameter (with a suggestion) and every value that is not accepted.
    """
    problems, verb = Problems(), command(shape)
    flat: dict[str, Any] = {}
    scoped: dict[str, dict[str, Any]] = {}
    for key, value in raw.items():
        phase, _, name = key.replace("-", "_").rpartition(".")
        known = sorted(parameters(Training if phase else shape))
        if phase and not (phase in TRAINED_PHASES and issubclass(shape, Trained)):
            problems.add(
                f"Parameter {key!r}: {phase!r} is no phase that {verb} trains.",
                f"Phases: {', '.join(TRAINED_PHASES)}",
            )
        elif name not in known:
            problems.add(unknown("parameter", name, known, f"mlflow-xfer {verb} --help"))
        elif phase:
            scoped.setdefault(phase, {})[name] = value
        else:
            flat[name] = value
    try:
        parsed = shape.model_validate(flat | ({"scoped": scoped} if scoped else {}))
    except ValidationError as error:
        said = {_blamed(fault["loc"]): fault["msg"] for fault in error.errors() if fault["type"] == SAID}
        for field in dict.fromkeys(_blamed(fault["loc"]) for fault in error.errors()):
            problems.add(_refused(shape, field, scoped, flat, said.get(field, "is not accepted")))
        problems.raise_if_any()
        raise
    problems.raise_if_any()
    return parsed


def command(shape: type[Shape]) -> str:
    """The name of the command that takes these parameters."""
    return shape.__name__.lower()


def _blamed(location: tuple) -> str:
    return ".".join(map(str, location[1:3])) if location[0] == "scoped" else str(location[0])


def _refused(
    shape: type[Shape],
    field: str,
    scoped: Mapping[str, Mapping[str, Any]],
    flat: Mapping[str, Any],
    what: str,
) -> XferError:
    phase, _, name = field.rpartition(".")
    declared = parameters(Training if phase else shape)[name]
    given = scoped[phase] if phase else flat
    accepted = f"Accepted: {declared.accepted} ({declared.description})"
    if name not in given:
        return XferError(f"Parameter {name} is missing.", accepted)
    close = get_close_matches(str(given[name]), declared.choices, n=1, cutoff=0.6)
    hint = f"Did you mean {close[0]!r}? " if close else ""
    return XferError(f"Parameter {field}={given[name]} {what}.", hint + accepted)


def given(params: Shape) -> dict[str, str]:
    """What the user gave, as typed: the inverse of :func:`read`."""
    scoped = params.scoped if isinstance(params, Trained) else {}
    return {
        f"{phase}.{name}" if phase else name: typed(getattr(part, name))
        for phase, part in {"": params, **scoped}.items()
        for name in parameters(type(part))
        if name in part.model_fields_set
    }
