"""File formats: one module each, named after the format and found by that name.

A module has ``read(paths, source, language)``, which yields raw rows with their places: a row is a dict by
name or a list by position. Nothing here knows tasks, and labels are not looked at: that is the kind's
conversion. ``convert(rows, language)``, where a module has it, serves the hub's copies: it takes one row of
the data set after the other. No module of the package imports a reader by statement, so that a phase stands
on the readers of its own rows alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from mlflow_xfer.lines import Malformed
from mlflow_xfer.registry import unknown
from mlflow_xfer.tasks.task import Files

Raw = Mapping[str, Any] | list
Places = Iterator[tuple[Any, int, Any]]
Numbered = Iterator[tuple[int, Raw]]
Read = Callable[[tuple[Path, ...], Files, str], Places]
Convert = Callable[[Places, str], Places]


def reader(form: str) -> Read:
    """The reader of files in a format.

    What a reader does not expect inside of a file is a :class:`Malformed` that names the file.

    Raises:
        XferError: unknown format.
    """
    read = _found(form, "read")

    def guarded(paths: tuple[Path, ...], source: Files, language: str) -> Places:
        try:
            yield from read(paths, source, language)
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            names = " + ".join(map(str, paths))
            raise Malformed(f"{names}: does not read as {form} ({error!r:.200}).") from None

    return guarded


def of_the_hub(form: str) -> Convert:
    """What makes raw rows of a data set's rows in a format.

    Raises:
        XferError: unknown format.
    """
    return _found(form, "convert")


def module_of(form: str) -> str:
    """The name of the module that reads a format."""
    return f"{__name__}.{form.replace('-', '_')}"


def names() -> tuple[str, ...]:
    """The formats that there are."""
    modules = sorted(path.stem for path in Path(__file__).parent.glob("*.py") if path.stem[0] != "_")
    return tuple(name.replace("_", "-") for name in modules)


def each_file(read: Callable[[Path, Files, str], Numbered]) -> Read:
    """A reader of several files, one after the other, from one of a single file."""

    def read_all(paths: tuple[Path, ...], source: Files, language: str) -> Places:
        for path in paths:
            for number, raw in read(path, source, language):
                yield path, number, raw

    return read_all


def _found(form: str, what: str) -> Any:
    attribute = getattr(import_module(module_of(form)), what, None) if form in names() else None
    if attribute is None:
        raise unknown("format", form, names())
    return attribute
