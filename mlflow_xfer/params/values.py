"""How values are typed: ``none`` for None or an empty list, commas without blanks for lists,
``true``/``false``; and what a type accepts, in words.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_core import PydanticCustomError

from mlflow_xfer import languages

SAID = "said"
"""The type of a validator's error whose message says what is wrong with the value, after its name."""


@dataclass(frozen=True)
class OneOf:
    """The names that a text may be. They are checked by who uses them, who has more to say of a wrong one."""

    names: tuple[str, ...]


class MayBeEmpty:
    """Of a list: ``none`` is accepted, and means something."""


class NeverNone:
    """Of a value that may be None elsewhere: who uses it refuses that, and has more to say."""


def _listed(value: Any) -> Any:
    """``a,b`` -> (a, b); ``none`` and the empty string -> ()."""
    if isinstance(value, str):
        return () if value.strip() in ("none", "") else tuple(part.strip() for part in value.split(","))
    if isinstance(value, int) and not isinstance(value, bool):
        return (value,)
    return () if value is None else value


def nothing(value: Any) -> Any:
    return None if value == "none" else _place(value)


def _place(value: Any) -> Any:
    return os.fspath(value) if isinstance(value, os.PathLike) else value


def _listed_or_auto(value: Any) -> Any:
    return value if value == "auto" else _listed(value)


def _coded(value: Any) -> Any:
    """Languages by their codes, each once, whatever they are called (``DE``, ``deu``, ``iw``): rows are found
    by them. A text holds one, or several with commas."""
    if isinstance(value, str):
        return ",".join(_coded(tuple(part.strip() for part in value.split(","))))
    return tuple(dict.fromkeys(map(languages.named, value)))


def _no_flag(value: Any) -> Any:
    """``True`` is no number, though Python counts with it."""
    if isinstance(value, bool):
        raise PydanticCustomError(SAID, "is true or false, not a number")
    return value


def _each_once(seeds: tuple[int, ...]) -> tuple[int, ...]:
    """The same seed again gives the same scores, and would count as one more that is independent."""
    if len(set(seeds)) < len(seeds):
        raise PydanticCustomError(SAID, "names a seed twice")
    return seeds


Listed = BeforeValidator(_listed)
NoFlag = BeforeValidator(_no_flag)
Names = Annotated[tuple[str, ...], Listed]
NamesOrNone = Annotated[tuple[str, ...], Listed, MayBeEmpty]
NamesOrAuto = Annotated[Literal["auto"] | tuple[str, ...], BeforeValidator(_listed_or_auto)]
Language = Annotated[str, AfterValidator(_coded)]
LanguagesOrAuto = Annotated[NamesOrAuto, AfterValidator(_coded)]
NamesAutoOrNone = Annotated[Literal["auto"] | NamesOrNone, BeforeValidator(_listed_or_auto)]
AsPlace = BeforeValidator(_place)
Place = Annotated[str, AsPlace]
PlaceOrNone = Annotated[Place | None, BeforeValidator(nothing)]
Whole = Annotated[int, NoFlag]
Number = Annotated[float, NoFlag]
Natural = Annotated[Whole, Field(ge=0)]
Count = Annotated[Whole, Field(gt=0)]
Positive = Annotated[Number, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[Number, Field(ge=0, allow_inf_nan=False)]
Share = Annotated[Number, Field(ge=0, le=1)]
EachOnce = Annotated[tuple[Natural, ...], Field(min_length=1), AfterValidator(_each_once)]
Seeds = Annotated[EachOnce, Listed]
SeedsOrAuto = Annotated[Literal["auto"] | EachOnce, BeforeValidator(_listed_or_auto)]
Text = Annotated[str | None, BeforeValidator(nothing)]
PositiveOrAuto = Literal["auto"] | Positive
PositiveOrNone = Annotated[Positive | None, BeforeValidator(nothing)]
CountOrAuto = Literal["auto"] | Count
NaturalOrNone = Annotated[Natural | None, BeforeValidator(nothing)]
CountOrNone = Annotated[Count | None, BeforeValidator(nothing)]


def accepted(annotation: Any, metadata: Sequence[Any] = ()) -> str:
    """What a type takes, in words, with its bounds: for errors, ``--help`` and the tables."""
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return accepted(args[0], (*args[1:], *metadata))
    if names := [part.names for part in metadata if isinstance(part, OneOf)]:
        return "|".join(names[0])
    if origin is Literal:
        return "|".join(map(str, args))
    if origin is tuple:
        of = "" if args[0] is str else f" of {accepted(args[0])}"
        return f"comma list{of}{' or none' if MayBeEmpty in metadata else ''}"
    if args:
        kinds = [arg for arg in args if arg is not type(None) or NeverNone not in metadata]
        return " or ".join("none" if kind is type(None) else accepted(kind) for kind in kinds)
    words = {str: "text", int: "whole number", float: "number", bool: "true|false"}
    return words[annotation] + bounds(metadata)


class Spelled(str):
    """The text of a type; shown as it is, without quotes."""

    __repr__ = str.__str__


def spelled(annotation: Any, metadata: Sequence[Any] = ()) -> Spelled:
    """A type as the text of a Python program says it: without validators and bounds; a list may be typed too,
    and a place may be a path."""
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return spelled(args[0], (*args[1:], *metadata))
    if names := [part.names for part in metadata if isinstance(part, OneOf)]:
        origin, args = Literal, names[0]
    if origin is Literal:
        return Spelled(f"Literal[{', '.join(json.dumps(arg) for arg in args)}]")
    if origin is tuple:
        one = spelled(args[0])
        return Spelled(f"{'int | ' if one == 'int' else ''}str | Sequence[{one}]")
    if args:
        return Spelled(" | ".join("None" if arg is type(None) else spelled(arg) for arg in args))
    return Spelled(f"{annotation.__name__}{' | PathLike[str]' if AsPlace in metadata else ''}")


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
