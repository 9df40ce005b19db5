"""What ``tasks --check`` remarks on rows that can be read: texts that repeat, are blank, or say nothing."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from mlflow_xfer.kinds import kind
from mlflow_xfer.tasks.task import Task

NOTHING = ("nan", "NaN", "None", "null", "NULL", "<NA>", "N/A", "#N/A")
"""How programs write a missing value as a text."""


class Remarks:
    """What was seen of the splits of one task."""

    def __init__(self, task: Task) -> None:
        self.task, self.reads = task, kind.data(task.kind)
        self.trained: set[bytes] = set()

    def of(self, split: str, rows: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
        """Remarks on a split; those on the training split are made first."""
        answers: dict[bytes, str] = {}
        n = repeated = otherwise = seen = 0
        blank: dict[str, int] = {}
        nothing: dict[str, int] = {}
        for row in rows:
            n += 1
            for name in self.reads.texts:
                texts = [text for text in _listed(row.get(name)) if isinstance(text, str)]
                if name not in self.reads.optional or row.get(name) is not None:
                    blank[name] = blank.get(name, 0) + any(not text.strip() for text in texts)
                nothing[name] = nothing.get(name, 0) + (row.get(name) in NOTHING)
            key, answer = _digest(row, self.reads.texts), str([row.get(name) for name in self.reads.answers])
            if key in answers:
                repeated += 1
                otherwise += answers[key] != answer
            answers.setdefault(key, answer)
            seen += split != "train" and key in self.trained
        if split == "train":
            self.trained |= answers.keys()
        return (
            *(f"{times:,} of {n:,} rows have a blank {name}" for name, times in blank.items() if times),
            *(
                f"{times:,} of {n:,} rows have a {name} such as nan, None or null"
                for name, times in nothing.items()
                if times
            ),
            *([_repeats(repeated, otherwise, n)] if repeated else []),
            *([f"{seen:,} of {n:,} rows are in the training split too"] if seen else []),
        )


def _repeats(repeated: int, otherwise: int, n: int) -> str:
    apart = f", {otherwise:,} of them with another answer" if otherwise else ""
    return f"{repeated:,} of {n:,} rows repeat the texts of another{apart}"


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _digest(row: Mapping[str, Any], names: Iterable[str]) -> bytes:
    texts = json.dumps([row.get(name) for name in names], ensure_ascii=True)
    return hashlib.blake2b(texts.encode(), digest_size=16).digest()


def rows_of(table: Any) -> Iterator[dict[str, Any]]:
    """The rows of an Arrow table, a batch in memory at a time."""
    for batch in table.to_batches(max_chunksize=2000):
        yield from batch.to_pylist()
