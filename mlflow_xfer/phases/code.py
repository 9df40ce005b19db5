"""Which code a phase's result depends on, and the hash of that code.

A phase stands on the module in ``phases/`` that makes it, on the parts of the kinds of every task that it
reads and on the origins of its rows, and on all that these import (``code.py``).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from mlflow_xfer import code
from mlflow_xfer.data import origins
from mlflow_xfer.data.stream import source_of, text_task
from mlflow_xfer.phases.phase import BaseModel, Phase
from mlflow_xfer.tasks.task import Source

PROCEDURES = {
    "pretrain": "train",
    "intermediate": "train",
    "target": "train",
    "evaluate": "evaluate",
    "merge": "merge",
}
"""The module in ``phases/`` that makes a phase, by :attr:`Phase.procedure`."""

PARTS = {"train": ("data", "model"), "evaluate": ("data", "model", "scoring"), "merge": ("model",)}
"""What a procedure asks of a kind of task."""


def code_hash(phase: Phase) -> str:
    """Hash of the code behind ``phase`` and of the code hashes of its inputs."""
    behind = [
        code_hash(source) if isinstance(source, Phase) else source.code_hash
        for source in phase.inputs
        if not isinstance(source, BaseModel)
    ]
    return hashlib.sha256("\n".join([code.program().hash(roots(phase)), *behind]).encode()).hexdigest()


def roots(phase: Phase) -> tuple[str, ...]:
    """The modules that make ``phase``, those that it finds by name included."""
    procedure = PROCEDURES[phase.procedure]
    modules = {f"{code.PACKAGE}.phases.{procedure}"}
    for kind in _kinds(phase):
        modules |= set(code.parts(kind, *PARTS[procedure]))
    for source in _sources(phase):
        modules |= set(origins.behind(source))
    return tuple(sorted(modules))


def _kinds(phase: Phase) -> set[str]:
    """The kinds of all tasks that ``phase`` reads."""
    tasks = [*phase.tasks, *(task for task, _ in (*phase.excludes, *phase.selection))]
    names = {task.name for task in phase.tasks}
    texts = [text_task(rows) for rows in phase.rows if rows.task not in names]
    return {task.kind for task in (*tasks, *texts)}


def _sources(phase: Phase) -> Iterator[Source]:
    """Where all rows that ``phase`` reads come from."""
    tasks = {task.name: task for task in phase.tasks}
    for rows in phase.rows:
        yield source_of(tasks.get(rows.task) or text_task(rows), rows)
    for task, rows in (*phase.excludes, *phase.selection):
        yield source_of(task, rows)
