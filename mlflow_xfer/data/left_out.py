"""What ``tasks --check`` remarks on what declared files hold and a split leaves out: nobody would miss it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

from mlflow_xfer import languages
from mlflow_xfer.data.canonical import getter, kept, row_id
from mlflow_xfer.data.readers import reader
from mlflow_xfer.data.rows import Rows
from mlflow_xfer.lines import names_in, scalar_text
from mlflow_xfer.tasks.declared_sources import names
from mlflow_xfer.tasks.task import Files, Task, name_in, part_of

MAX_SHOWN = 8


def left_out(task: Task, read: Sequence[Rows]) -> list[str]:
    """Remarks on a split, whose rows in all languages that are read are ``read``."""
    if read[0].provider != "file":
        return []
    source = task.sources["file"][read[0].source]
    assert isinstance(source, Files), "a task file names files"
    return [*_files(source, read), *_languages(source, read), *_ids(source, read)]


def _files(source: Files, read: Sequence[Rows]) -> Iterator[str]:
    """Files that fit a name with ``{language}`` but are of no language that is known, or of one that is read
    from another file."""
    part = part_of(source, read[0].split, read[0].language)
    asked = {rows.language for rows in read}
    called = {name_in(source, code) for code in asked}
    elsewhere = {path for parts in source.splits.values() for path in _paths(parts)}
    passed = [
        Path(path.replace("{language}", name)).name
        for path in (part.paths if part else ())
        for name in (names(path) if "{language}" in path else ())
        if name not in called
        and languages.code_of(name) in (None, *asked)
        and path.replace("{language}", name) not in elsewhere
    ]
    if passed:
        yield f"not read, as {{language}} stands for a code (mlflow-xfer languages): {_few(passed)}"


def _paths(parts: Any) -> Iterator[str]:
    for part in parts.values() if isinstance(parts, dict) else [parts]:
        yield from part.paths


def _languages(source: Files, read: Sequence[Rows]) -> Iterator[str]:
    """Rows that are in none of the languages that are read, by what their column says."""
    by_language = {column: said for column, said in source.where.items() if said.startswith("{language}")}
    if not by_language:
        return
    others = kept(replace(source, where=dict(source.where.items() - by_language.items())), "")
    for column, said in by_language.items():
        here, get, counts = replace(source, where={column: said}), getter(column), Counter[str]()
        for files in dict.fromkeys(rows.paths for rows in read):
            same = [rows for rows in read if rows.paths == files]
            takes: list[Callable[[Any], bool]] = [kept(here, rows.language) for rows in same]
            left = (raw for raw in _raws(source, same[0]) if not any(take(raw) for take in takes))
            counts.update(scalar_text(get(raw)) for raw in left if others(raw))
        if counts:
            shown = [f"{value!r} {times:,}" for value, times in counts.most_common()]
            yield f"{counts.total():,} rows are of no language that is read, by {column}: {_few(shown)}"


def _ids(source: Files, read: Sequence[Rows]) -> Iterator[str]:
    """Ids that were to leave rows out and are those of none."""
    id_of = row_id(source)
    for file in dict.fromkeys(rows.exclude_ids for rows in read if rows.exclude_ids):
        files = {rows.paths: rows for rows in read if rows.exclude_ids == file}
        met = {id_of(raw) for raw in chain.from_iterable(_raws(source, rows) for rows in files.values())}
        unmet = [name for name in names_in(Path(file)) if name not in met]
        if unmet:
            yield f"{len(unmet):,} ids in {Path(file).name} are the id of no row, such as {unmet[0]!r}"


def _raws(source: Files, rows: Rows) -> Iterator[Any]:
    for _, _, raw in reader(source.format)(tuple(map(Path, rows.paths)), source, rows.language):
        yield raw


def _few(shown: Sequence[str]) -> str:
    return ", ".join(shown[:MAX_SHOWN]) + (f" … ({len(shown)})" if len(shown) > MAX_SHOWN else "")
