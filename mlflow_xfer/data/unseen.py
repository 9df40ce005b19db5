"""Overlap of rows that are named, not loaded:
measured once for each pair of data, and training rows less what was seen.

A result lies under ``home()/overlap``, named by the identity and declaration of all rows and by the comparing
code.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from mlflow_xfer.data.overlap import Overlap, audit, without
from mlflow_xfer.data.reading import cached, read
from mlflow_xfer.data.rows import Rows
from mlflow_xfer.durable.files import write_whole
from mlflow_xfer.home import home
from mlflow_xfer.tasks.task import Task

if TYPE_CHECKING:
    from datasets import Dataset

Tests = Sequence[tuple[Task, Rows]]


def measured(
    task: Task, rows: Rows, target: Task, tests: Sequence[Rows], whole: bool = False
) -> dict[str, Overlap]:
    """The overlap of training rows with the test rows of each language;
    read from disk if it was measured before.

    Args:
        whole: only rows that are equal, all texts of a row together.

    Raises:
        XferError: rows that cannot be read.
    """
    overlaps = known(task, rows, target, tests, whole)
    if overlaps is None:
        of_language = {test.language: read(target, test) for test in tests}
        overlaps = audit(read(task, rows), task.kind, of_language, target.kind, whole)
        if rows.resolved and all(test.resolved for test in tests):
            content = json.dumps({language: vars(overlap) for language, overlap in overlaps.items()})
            with suppress(OSError):  # a read-only home costs time, not the run
                write_whole(_place(task, rows, target, tests, whole), content.encode())
    return overlaps


def known(
    task: Task, rows: Rows, target: Task, tests: Sequence[Rows], whole: bool = False
) -> dict[str, Overlap] | None:
    """What was measured before, without reading a row; None if nothing was."""
    if not (rows.resolved and all(test.resolved for test in tests)):
        return None
    try:
        content = json.loads(_place(task, rows, target, tests, whole).read_bytes())
        return {
            language: Overlap(
                **{k: cast(Any, tuple(v) if isinstance(v, list) else v) for k, v in one.items()}
            )
            for language, one in content.items()
        }
    except (OSError, ValueError, TypeError, AttributeError):  # not there, or damaged from outside
        return None


def read_unseen(task: Task, rows: Rows, tests: Tests) -> Dataset:
    """The training rows less those that are (nearly) rows of ``tests`` or,
    for tasks with paragraphs, share one. Of a target's own training rows only equal ones count.
    """
    overlaps = [
        overlap
        for target, mine in by_split(tests)
        for overlap in measured(task, rows, target, mine, mine[0].split == "train").values()
    ]
    return without(read(task, rows), task.kind, overlaps)


def by_split(tests: Tests) -> Iterable[tuple[Task, list[Rows]]]:
    """The rows of each target's split together, over languages."""
    grouped: dict[tuple[str, str], tuple[Task, list[Rows]]] = {}
    for task, rows in tests:
        grouped.setdefault((task.name, rows.split), (task, []))[1].append(rows)
    return grouped.values()


def _place(task: Task, rows: Rows, target: Task, tests: Sequence[Rows], whole: bool) -> Path:
    names: Mapping[str, object] = {
        "training": cached(task, rows).name,
        "tests": [[test.language, cached(target, test).name] for test in tests],
        "code": _code(),
    } | ({"whole": True} if whole else {})
    return (
        home()
        / "overlap"
        / f"{task.name}-{target.name}-{hashlib.sha256(json.dumps(names).encode()).hexdigest()[:24]}.json"
    )


@cache
def _code() -> str:
    return hashlib.sha256(
        b"".join(
            Path(__file__).with_name(name).read_bytes() for name in ("overlap.py", "rows.py", "words.py")
        )
    ).hexdigest()
