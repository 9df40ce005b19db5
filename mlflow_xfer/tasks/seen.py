"""Whether a target's kind of data was seen by the makers of a base model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from mlflow_xfer.registry import unknown
from mlflow_xfer.tasks.catalogue import TASKS
from mlflow_xfer.tasks.task import Task

ALIASES: Mapping[str, str] = {
    "bitext": "alignment",
    "nli": "inference",
    "qa": "reading",
    "ner": "entities",
    "pos": "morphosyntax",
}
"""Words of model cards for skills of tasks."""


def seen_of(task: Task, seen: Iterable[str]) -> tuple[str, ...]:
    """Which of the words ``seen`` mean the task: its name, its family or one of its skills."""
    mine = {task.name, task.family, *task.skills} - {""}
    return tuple(word for word in dict.fromkeys(seen) if ALIASES.get(word, word) in mine or word in mine)


def check_seen(words: Sequence[str], extra: Mapping[str, Task]) -> None:
    """Raise :class:`XferError` for a word that means no task."""
    every = [*TASKS, *extra.values()]
    known = {*ALIASES, *(word for task in every for word in (task.name, task.family, *task.skills))} - {""}
    for word in words:
        if word not in known:
            raise unknown("kind of data in base_seen", word, sorted(known))
