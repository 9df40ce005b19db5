"""A phase as text that another process or machine reads: nothing is pickled, nothing is composed again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from mlflow_xfer.data.rows import Rows
from mlflow_xfer.errors import XferError
from mlflow_xfer.params.settings import EvaluationSettings, MergeSettings, Recipe, TrainingSettings
from mlflow_xfer.phases.phase import BaseModel, FinishedRun, Phase
from mlflow_xfer.tasks.task import Files, Generated, Hub, Part, Task

DECLARED = {one.__name__: one for one in (BaseModel, FinishedRun, Rows, Task, Hub, Files, Generated, Part)}
SETTINGS = {one.__name__: one for one in (Recipe, TrainingSettings, MergeSettings, EvaluationSettings)}
TYPE, ITEMS = "@type", "@items"
"""Keys that mark a declaration and a tuple among mappings and lists."""


def to_json(phase: Phase) -> str:
    """``phase`` with all phases before it, each once, inputs first."""
    chain = {one.spec_hash: one for one in phase.chain()}
    written = {spec_hash: _written(one) for spec_hash, one in chain.items()}
    return json.dumps({"phases": written, "asked": phase.spec_hash}, ensure_ascii=False)


def from_json(text: str) -> Phase:
    """The phase of :func:`to_json`.

    Raises:
        XferError: a phase of it has another hash here: this machine's version differs.
    """
    sent = json.loads(text)
    phases: dict[str, Phase] = {}
    for spec_hash, written in sent["phases"].items():
        values = {name: _read(value) for name, value in written.items()}
        inputs = tuple(phases[one] if isinstance(one, str) else one for one in values.pop("inputs"))
        phase = Phase(**values, inputs=inputs)
        if phase.spec_hash != spec_hash:
            raise XferError(
                f"{phase.label} was planned as {spec_hash[:12]} and is {phase.spec_hash[:12]} here.",
                "Bring mlflow-xfer to the same version where phases are planned and where they run.",
            )
        phases[spec_hash] = phase
    return phases[sent["asked"]]


def _written(phase: Phase) -> dict[str, Any]:
    """The fields of a phase; inputs that are phases by their hash."""
    values = {one.name: _plain(getattr(phase, one.name)) for one in fields(phase) if one.name != "inputs"}
    inputs = [one.spec_hash if isinstance(one, Phase) else _plain(one) for one in phase.inputs]
    return values | {"inputs": {ITEMS: inputs}}


def _plain(value: Any) -> Any:
    if isinstance(value, tuple(SETTINGS.values())):
        given = {name: getattr(value, name) for name in sorted(value.model_fields_set)}
        return {TYPE: type(value).__name__} | _plain(given)
    if is_dataclass(value):
        return {TYPE: type(value).__name__} | {
            one.name: _plain(getattr(value, one.name)) for one in fields(value)
        }
    if isinstance(value, tuple):
        return {ITEMS: [_plain(one) for one in value]}
    if isinstance(value, Mapping):
        return {name: _plain(one) for name, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, list) else value


def _read(value: Any) -> Any:
    if isinstance(value, list):
        return [_read(one) for one in value]
    if not isinstance(value, dict):
        return value
    if ITEMS in value:
        return tuple(_read(one) for one in value[ITEMS])
    read = {name: _read(one) for name, one in value.items() if name != TYPE}
    kind = value.get(TYPE)
    if kind in SETTINGS:
        return SETTINGS[kind].model_construct(**read)
    return DECLARED[kind](**read) if kind else read
