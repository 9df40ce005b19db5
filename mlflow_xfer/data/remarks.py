"""What ``tasks --check`` remarks on rows that can be read: texts that repeat, are blank, or say nothing."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from mlflow_xfer.kinds import kind
from mlflow_xfer.tasks.task import Task

NOTHING = ("nan", "NaN", "None", "null", "NULL", "<NA>", "N/A", "#N/A")
"""How programs write a missing value as a text."""
QUOTED = re.compile(r'"(?:[^"]|"")*"')
ODD: Mapping[str, Callable[[str], object]] = {
    "a text in quotation marks with doubled ones inside: csv's quoting, which tsv does not undo": (
        lambda text: '""' in text[1:-1] and QUOTED.fullmatch(text)
    ),
    "the character U+FFFD, which stands for what a conversion lost": lambda text: "\ufffd" in text,
}
"""What texts hold that was hardly written so."""
NAMES = re.compile(
    "(query|question|answer|source|src|target|tgt|text|sentence|premise|hypothesis|context|passage|paragraph|"
    "document|title|label|id)[ _-]?([0-9]|[ab])?|english|translation",
    re.IGNORECASE,
)
"""How columns of texts are usually called."""


class Remarks:
    """What was seen of the splits of one task."""

    def __init__(self, task: Task) -> None:
        self.task, self.reads = task, kind.data(task.kind)
        declared = {
            name for made in task.sources.values() for one in made for name in getattr(one, "columns", ())
        }
        self.lacking = {*kind.scoring(task.kind).may_lack} - declared  # blank in all rows: not in the data
        self.read: dict[str, set[bytes]] = {}  # by split

    def of(self, split: str, rows: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
        """Remarks on a split; those on the splits that train and select are made first."""
        answers: dict[bytes, str] = {}
        n = repeated = otherwise = named = 0
        blank: dict[str, int] = {}
        nothing: dict[str, int] = {}
        odd: dict[str, int] = {}
        seen: dict[str, int] = {}
        for row in rows:
            n += 1
            said = [text for name in self.reads.texts for text in _texts(row.get(name))]
            named += _are_names(said)
            for what in (what for what, holds in ODD.items() if any(map(holds, said))):
                odd[what] = odd.get(what, 0) + 1
            for name in self.reads.texts:
                texts = _texts(row.get(name))
                if name not in self.reads.optional or row.get(name) is not None:
                    blank[name] = blank.get(name, 0) + any(not text.strip() for text in texts)
                nothing[name] = nothing.get(name, 0) + (row.get(name) in NOTHING)
            key, answer = _digest(row, self.reads.texts), str([row.get(name) for name in self.reads.answers])
            if key in answers:
                repeated += 1
                otherwise += answers[key] != answer
            answers.setdefault(key, answer)
            for other in (one for one, keys in self.read.items() if one != split and key in keys):
                seen[other] = seen.get(other, 0) + 1
        if split in ("train", "validation"):
            self.read.setdefault(split, set()).update(answers)
        return (
            *(
                f"{times:,} of {n:,} rows have a blank {name}"
                for name, times in blank.items()
                if times and not (times == n and name in self.lacking)
            ),
            *(
                f"{times:,} of {n:,} rows have a {name} such as nan, None or null"
                for name, times in nothing.items()
                if times
            ),
            *(f"{times:,} of {n:,} rows have {what}" for what, times in odd.items()),
            *([f"{named:,} of {n:,} rows read like a line of names: if so, header: true"] if named else []),
            *([_repeats(repeated, otherwise, n)] if repeated else []),
            *(
                f"{times:,} of {n:,} rows are in the {'training' if other == 'train' else other} split too"
                for other, times in seen.items()
            ),
        )


def _repeats(repeated: int, otherwise: int, n: int) -> str:
    apart = f", {otherwise:,} of them with another answer" if otherwise else ""
    return f"{repeated:,} of {n:,} rows repeat the texts of another{apart}"


def _are_names(said: list[str]) -> bool:
    """Whether a row reads like the names of its columns: several, each another one."""
    return 1 < len(said) == len(set(said)) and all(NAMES.fullmatch(text.strip()) for text in said)


def _texts(value: Any) -> list[str]:
    return [text for text in (value if isinstance(value, list) else [value]) if isinstance(text, str)]


def _digest(row: Mapping[str, Any], names: Iterable[str]) -> bytes:
    texts = json.dumps([row.get(name) for name in names], ensure_ascii=True)
    return hashlib.blake2b(texts.encode(), digest_size=16).digest()


def rows_of(table: Any) -> Iterator[dict[str, Any]]:
    """The rows of an Arrow table, a batch in memory at a time."""
    for batch in table.to_batches(max_chunksize=2000):
        yield from batch.to_pylist()
