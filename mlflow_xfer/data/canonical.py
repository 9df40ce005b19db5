"""Values out of raw rows: what the kinds turn into their columns."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from mlflow_xfer.data.checks import odd_columns
from mlflow_xfer.data.labels import MISSING, BadRow, absent
from mlflow_xfer.kinds import kind
from mlflow_xfer.languages import code_of
from mlflow_xfer.lines import scalar_text
from mlflow_xfer.tasks.task import Files, Hub, Task, name_in
from mlflow_xfer.tasks.where import fits

Get = Callable[[Any], Any]
Convert = Callable[[Any], dict[str, Any] | None]


def row_id(source: Hub | Files) -> Get:
    """A function from a raw row to its id in the file, or None."""
    get = getter(source.columns.get("id", "id"))

    def found(raw: Any) -> str | None:
        value = get(raw)
        return None if absent(value) or value == "" else scalar_text(value)

    return found


def kept(source: Hub | Files, language: str) -> Callable[[Any], bool]:
    """Whether ``where`` keeps a raw row."""
    name = name_in(source, language)
    wanted = [(getter(column), value) for column, value in source.where.items()]

    def keep(raw: Any) -> bool:
        for get, value in wanted:
            raw_value = get(raw)
            said = str(raw_value).lower() if isinstance(raw_value, bool) else scalar_text(raw_value)
            value = value.lower() if isinstance(raw_value, bool) else value
            if not fits(said, value, name):
                return False
        return True

    return keep


def other_name(source: Hub | Files, language: str) -> Callable[[Any], str]:
    """What a raw row of declared files calls a language where that is another name of it than the declared
    one, as ``EN`` and ``en-GB`` are of ``en``; empty elsewhere."""
    own = source.where.items() if isinstance(source, Files) else ()
    columns = [getter(column) for column, value in own if value == "{language}"]
    called = name_in(source, language)

    def found(raw: Any) -> str:
        said = [scalar_text(get(raw)) for get in columns]
        return next((name for name in said if name != called and code_of(name) == language), "")

    return found


# -- values --------------------------------------------------------------------------------------------------
def getter(where: Any) -> Get:
    """A function that takes a value out of a raw row: by position, name, dotted path (through a list: of each
    of its objects), or a list of these."""
    if isinstance(where, list | tuple):
        parts = [getter(part) for part in where]

        def several(raw: Any) -> Any:
            values = [part(raw) for part in parts]
            return MISSING if any(value is MISSING for value in values) else values

        return several
    if isinstance(where, int):

        def positional(raw: Any) -> Any:
            raw = list(raw.values()) if isinstance(raw, Mapping) else raw
            return raw[where] if isinstance(raw, list) and -len(raw) <= where < len(raw) else MISSING

        return positional
    path = where.split(".")

    def named(raw: Any) -> Any:
        if isinstance(raw, list):
            return MISSING
        if where in raw:
            return raw[where]
        for name in path:
            if isinstance(raw, list) and raw and all(isinstance(one, Mapping) and name in one for one in raw):
                raw = [one[name] for one in raw]
            elif not isinstance(raw, Mapping) or name not in raw:
                return MISSING
            else:
                raw = raw[name]
        return raw

    return named


def text_of(value: Any, column: str) -> str:
    """A text; a list of texts is joined with blanks."""
    if isinstance(value, str):
        return value
    if absent(value):
        raise BadRow(f"has no {column}{' (NaN)' if isinstance(value, float) else ''}", value is MISSING)
    if isinstance(value, list):
        return " ".join(text_of(part, column) for part in value)
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        inside = odd_columns(list(value)) if isinstance(value, Mapping) else ""
        raise BadRow(f"{column} is {type(value).__name__}, not text{inside}")
    if value in (math.inf, -math.inf):
        raise BadRow(f"{column} is {value}, not text")
    return str(value)


def mapped(source: Hub | Files, name: str) -> tuple[Get, str]:
    where = source.columns.get(name, name)
    return getter(where), f"{name} (column {where!r})" if where != name else name


def group_of(task: Task, row: Mapping[str, Any]) -> str:
    """The text whose rows stay on the same side of a cut: no premise or paragraph in both."""
    value = (
        row.get(kind.data(task.kind).group) or row.get("question") or row.get("source") or row.get("target")
    )
    return " ".join(value) if isinstance(value, list) else str(value)
