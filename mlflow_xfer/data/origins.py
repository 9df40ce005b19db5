"""What rows come from: the modules behind a source of a task, found by what its declaration says.

No module of the package imports one of them by statement, so that a phase stands on the origins of its own
rows alone.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from mlflow_xfer.data import readers
from mlflow_xfer.tasks.task import Files, Generated, Hub, Source

MODULES = {Hub: "mlflow_xfer.data.hub", Generated: "mlflow_xfer.data.mini"}


def hub() -> Any:
    """The module that reads data sets of the hub."""
    return import_module(MODULES[Hub])


def mini() -> Any:
    """The module that generates the embedded suite."""
    return import_module(MODULES[Generated])


def behind(source: Source) -> tuple[str, ...]:
    """The names of the modules that make raw rows of a source."""
    if isinstance(source, Files):
        return (readers.module_of(source.format),)
    if isinstance(source, Generated):
        return (MODULES[Generated],)
    forms = {one.format for one in (source, *source.also, *source.questions) if one.format}
    return (MODULES[Hub], *sorted(map(readers.module_of, forms)))
