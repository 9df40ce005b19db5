"""Parameters of commands in a YAML file: ``--save`` writes them, ``--config`` takes them.

A section for each verb, with parameters as they are typed::

    transfer:
      model: xlm-roberta-base
      seeds: 1,2,3
      target.learning_rate: 2e-5

One file may hold sections of several verbs. Every value is read as text, as on the command line, so that
Norwegian (``no``) is no boolean; lists may also be written as YAML's.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from mlflow_xfer.durable.files import write_whole
from mlflow_xfer.errors import XferError
from mlflow_xfer.params.declare import Shape
from mlflow_xfer.params.lookups import Plan, Recipe
from mlflow_xfer.params.reading import command, given

ABOUT = {command(shape): shape for shape in (Plan, Recipe)}
"""Commands about another one, whose name is their parameter ``verb``."""

HINT = "A section for each command, with its parameters: {verb}: {{model: …, seeds: …}}"


def loaded(path: str, verb: str, typed: Mapping[str, Any]) -> dict[str, Any]:
    """The section of ``verb``; of a command about another one also that one's, where there is one.

    Args:
        typed: what the command line gives besides.

    Raises:
        XferError: the file cannot be read, is no YAML, or has no such section.
    """
    sections = _sections(path, verb)
    about = ABOUT.get(verb)
    if about is None:
        if verb not in sections:
            raise XferError(f"{path}: has no section {verb}, but {_names(sections)}.", HINT.format(verb=verb))
        return sections[verb]
    own = sections.get(verb, {})
    other = str(typed.get("verb") or own.get("verb") or about.model_fields["verb"].default)
    return sections.get(other, {}) | own


def save(path: str, params: Shape) -> None:
    """Write what was given as a file that :func:`loaded` takes."""
    parts = [params, params.of] if isinstance(params, Plan | Recipe) else [params]
    sections = {command(type(part)): given(part) for part in parts}
    text = yaml.safe_dump(sections, sort_keys=False, allow_unicode=True, width=1000)
    first = command(type(params))
    try:
        write_whole(Path(path), f"# mlflow-xfer {first} --config {path}\n{text}".encode())
    except OSError as error:
        raise XferError(f"{path}: cannot be written ({error.strerror or error}).") from None


def _sections(path: str, verb: str) -> dict[str, dict[str, Any]]:
    try:
        # BaseLoader takes every value as text, and makes no objects
        found = yaml.load(Path(path).read_text("utf-8"), yaml.BaseLoader) or {}  # nosec B506
    except (OSError, UnicodeDecodeError) as error:
        raise XferError(f"{path}: cannot be read ({error}).", "Check the path.") from None
    except yaml.YAMLError as error:
        raise XferError(f"{path}: is no YAML ({error}).", HINT.format(verb=verb)) from None
    if not isinstance(found, Mapping) or not all(isinstance(part or {}, Mapping) for part in found.values()):
        raise XferError(f"{path}: is no mapping of commands to parameters.", HINT.format(verb=verb))
    sections = {name: dict(part or {}) for name, part in found.items()}
    for name, part in sections.items():
        for key, value in part.items():
            if isinstance(value, Mapping):
                raise XferError(
                    f"{path}: {name}.{key} is a mapping.",
                    f"A parameter of one phase has the phase's name in front: {key}.learning_rate: 2e-5",
                )
    return sections


def _names(sections: Mapping[str, Any]) -> str:
    return ", ".join(sections) or "none at all"
