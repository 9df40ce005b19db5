"""What a single value of a task file's entry may be; what is wrong with one is said in the user's words."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator

from mlflow_xfer import languages
from mlflow_xfer.errors import XferError
from mlflow_xfer.registry import unknown
from mlflow_xfer.tasks.task import FORMATS, POOL, SPLITS


def _word(value: Any) -> Any:
    """A label or id as text. YAML reads bare yes, no, on and off as booleans."""
    if isinstance(value, bool):
        raise ValueError(
            f"{str(value).lower()} is what YAML makes of a bare "
            f"{'yes, on or true' if value else 'no, off or false'}: put it in quotes"
        )
    if isinstance(value, int | float):
        return str(value)
    if not isinstance(value, str):
        said = "null" if value is None else str(value)
        raise ValueError(f"{said} is no text to YAML: put it in quotes")
    return value


def _language(value: Any) -> Any:
    try:
        return languages.get(value).code
    except XferError as error:
        raise ValueError(f"{error.what} {error.hint}".strip()) from None


def _format(value: Any) -> Any:
    module = str(value).replace("-", "_")
    readers = Path(__file__).parents[1] / "data" / "readers"
    if value not in FORMATS and not (module.isidentifier() and (readers / f"{module}.py").is_file()):
        raise ValueError(str(unknown("format", str(value), FORMATS)).replace("\n  ", " "))
    return value


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str | int) and not isinstance(value, bool) else value


def _split_name(value: Any) -> Any:
    if value not in (*SPLITS, POOL):
        raise ValueError(
            {
                "dev": "'dev' is called validation",
                "val": "'val' is called validation",
                "valid": "'valid' is called validation",
            }.get(str(value), f"unknown split {value!r}; accepted: {', '.join(SPLITS)}")
        )
    return value


def _part(value: Any) -> Any:
    """A path, a list of paths, {path, ids, exclude_ids}, or one of these per language."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        if not value or not all(isinstance(path, str) for path in value):
            raise ValueError("a list of files holds their names")
        return value
    if isinstance(value, dict) and {"path", "paths"} & set(value):
        odd = set(value) - {"path", "paths", "ids", "exclude_ids"}
        if odd:
            raise ValueError(
                str(
                    unknown(
                        "field of a split",
                        str(sorted(map(str, odd))[0]),
                        ("path", "paths", "ids", "exclude_ids"),
                    )
                ).replace("\n  ", " ")
            )
        if not all(isinstance(v, str) for k, v in value.items() if k != "paths"):
            raise ValueError("path, ids and exclude_ids are names of files")
        _part(value.get("paths") or value.get("path", []))
        return value
    if isinstance(value, dict) and value:
        return _by_language(value)
    raise ValueError("is a file, a list of files, {path, ids, exclude_ids}, or one of these per language")


def _by_language(value: dict) -> dict:
    languages, wrong = {}, []
    for name, part in value.items():
        try:
            code = _language(name)
            if code in languages:
                wrong.append(f"{name} is another name of {code}, which has files")
            languages[code] = _one_language(part)
        except ValueError as error:
            wrong.append(str(error))
    if wrong:
        raise ValueError("; ".join(wrong))
    return languages


def _one_language(value: Any) -> Any:
    if isinstance(value, dict) and not {"path", "paths"} & set(value):
        raise ValueError("is a file, a list of files, or {path, ids, exclude_ids}")
    return _part(value)


def _column(value: Any) -> Any:
    if isinstance(value, bool):
        return _word(value)
    if isinstance(value, list):
        return tuple(_column(part) for part in value)
    if not isinstance(value, str | int):
        raise ValueError("is a column's name or position (from 0), or a list of these")
    return value


def _labels(value: Any) -> Any:
    if isinstance(value, dict):
        return {_word(said): _word(name) for said, name in value.items()}
    if isinstance(value, list):
        return [_word(name) for name in value]
    if isinstance(value, str):
        return value
    raise ValueError("is a list of names, {in the file: name}, or the name of a file with one label per line")


Word = Annotated[str, BeforeValidator(_word)]
Language = Annotated[str, BeforeValidator(_language)]
Column = Annotated[Any, BeforeValidator(_column)]
Labels = Annotated[list[str] | dict[str, str] | str, BeforeValidator(_labels)]
Split = Annotated[str, BeforeValidator(_split_name)]
Words = Annotated[list[Word], BeforeValidator(_listed)]
Part = Annotated[Any, BeforeValidator(_part)]
Format = Annotated[str, BeforeValidator(_format)]
