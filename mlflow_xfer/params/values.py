"""How values are typed: ``none`` for None or an empty list, commas without blanks for lists,
``true``/``false``; and what a type accepts, in words.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import BeforeValidator, Field


def _listed(value: Any) -> Any:
    """``a,b`` -> (a, b); ``none`` and the empty string -> ()."""
    if isinstance(value, str):
        return () if value.strip() in ("none", "") else tuple(part.strip() for part in value.split(","))
    if isinstance(value, int) and not isinstance(value, bool):
        return (value,)
    return () if value is None else value


def _nothing(value: Any) -> Any:
    return None if value == "none" else value


Names = Annotated[tuple[str, ...], BeforeValidator(_listed)]
NamesOrAuto = Annotated[
    Literal["auto"] | tuple[str, ...], BeforeValidator(lambda v: v if v == "auto" else _listed(v))
]
Natural = Annotated[int, Field(ge=0)]
Count = Annotated[int, Field(gt=0)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1)]
Seeds = Annotated[tuple[Natural, ...], BeforeValidator(_listed), Field(min_length=1)]
Text = Annotated[str | None, BeforeValidator(_nothing)]
PositiveOrAuto = Literal["auto"] | Positive
PositiveOrNone = Annotated[Positive | None, BeforeValidator(_nothing)]
CountOrAuto = Literal["auto"] | Count
CountOrNone = Annotated[Count | None, BeforeValidator(_nothing)]


def accepted(annotation: Any) -> str:
    """What a type takes, in words, with its bounds: for errors, ``--help`` and the tables."""
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return "|".join(map(str, args))
    if origin is Annotated:
        return accepted(args[0]) + bounds(args[1:])
    if origin is tuple:
        return "comma list" if args[0] is str else f"comma list of {accepted(args[0])}"
    if args:
        return " or ".join("none" if arg is type(None) else accepted(arg) for arg in args)
    return {str: "text", int: "whole number", float: "number", bool: "true|false"}[annotation]


def bounds(metadata: Any) -> str:
    """The bounds among the metadata of a type: `` > 0 ≤ 1``."""
    signs = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}
    parts = [item for part in metadata for item in getattr(part, "metadata", [part])]
    return "".join(
        f" {sign} {limit}"
        for part in parts
        for name, sign in signs.items()
        if (limit := getattr(part, name, None)) is not None
    )


def choices(annotation: Any) -> tuple[str, ...]:
    """The values of a type that is a list of names; () for any other type."""
    return get_args(annotation) if get_origin(annotation) is Literal else ()


def typed(value: Any) -> str:
    """A value as a user types it: the inverse of what the parameters read."""
    if value is None or value == ():
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
