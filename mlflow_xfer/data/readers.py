"""File formats: each reader yields (line, raw row), a row being a dict by name or a list by position.

Nothing here knows tasks, and labels are not looked at; ``canonical.py`` turns raw rows into the columns of a
kind.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import zip_longest
from pathlib import Path
from typing import Any

from mlflow_xfer.data.formats import BENCHMARKS
from mlflow_xfer.data.lines import Malformed, ends_with_crlf, numbered, parsed, whole
from mlflow_xfer.data.tagged import conll, conllu
from mlflow_xfer.registry import unknown
from mlflow_xfer.tasks.qa import TYDIQA_NAMES
from mlflow_xfer.tasks.task import Files

Raw = Mapping[str, Any] | list
Read = Iterator[tuple[int, Raw]]

QUOTED = re.compile(r'"(?:[^"]|"")*"')
MAX_PROBLEMS = 20  # of one file; more are counted


def read_raw(paths: tuple[Path, ...], source: Files, language: str) -> Iterator[tuple[Path, int, Raw]]:
    """Raw rows of ``paths`` with their places, files read one after the other (``parallel``: side by side).

    Raises:
        Malformed: at the first line that cannot be read.
        XferError: unknown format.
    """
    if source.format in SIDE_BY_SIDE:
        for line, raw in SIDE_BY_SIDE[source.format](paths):
            yield paths[0], line, raw
        return
    if source.format in BENCHMARKS:
        yield from BENCHMARKS[source.format](paths, language)
        return
    if source.format not in FORMATS:
        raise unknown("format", source.format, [*FORMATS, *SIDE_BY_SIDE, *BENCHMARKS])
    for path in paths:
        for line, raw in FORMATS[source.format](path, source, language):
            yield path, line, raw


# -- tables --------------------------------------------------------------------------------------------------
def tsv(path: Path, source: Files, language: str) -> Read:
    """Fields between tabs, quotes kept as they are; every line has as many fields as the first.

    One exception: a file written by Python's csv module (as XTREME's scripts do) ends lines with CR LF,
    quotes every field that holds a quote and doubles the quotes inside. Where all of that holds, the quoting
    is undone.
    """
    written_by_csv = ends_with_crlf(path) and all(
        QUOTED.fullmatch(field)
        for _, line in numbered(path)
        if '"' in line
        for field in line.split("\t")
        if '"' in field
    )
    rows = ((number, line.split("\t")) for number, line in numbered(path) if line)
    if written_by_csv:
        rows = ((number, [_unquoted(field) for field in fields]) for number, fields in rows)
    return _table(path, rows, source)


def comma_separated(path: Path, source: Files, language: str) -> Read:
    """RFC 4180: quoted fields may hold commas, quotes (doubled) and line breaks;
    the line is the record's last.
    """
    with _any_field_size():
        lines = csv.reader((line + "\n" for _, line in numbered(path)), strict=True)

        def rows() -> Iterator[tuple[int, list[str]]]:
            while True:
                try:
                    fields = next(lines)
                except StopIteration:
                    return
                except csv.Error as error:
                    raise Malformed(
                        f"{path}:{lines.line_num}: is not csv ({error}).",
                        'A quote inside a quoted field is written twice: "say ""no""".',
                    ) from None
                if fields:
                    yield lines.line_num, fields

        yield from _table(path, rows(), source)


def _table(path: Path, rows: Iterator[tuple[int, list[str]]], source: Files) -> Read:
    names: list[str] | None = None
    width = 0
    for number, fields in rows:
        if not width:
            width = len(fields)
            if source.header:
                names = fields
                if len(set(names)) < width:
                    raise Malformed(f"{path}:{number}: the header names a column twice: {', '.join(names)}.")
                continue
        if len(fields) != width:
            raise Malformed(
                f"{path}:{number}: has {len(fields)} fields, the first line has {width}.",
                "Fields are separated by " + ("commas" if source.format == "csv" else "tabs") + ".",
            )
        yield number, dict(zip(names, fields, strict=True)) if names else fields


def _unquoted(field: str) -> str:
    return field[1:-1].replace('""', '"') if field.startswith('"') else field


@contextmanager
def _any_field_size() -> Iterator[None]:
    before = csv.field_size_limit(2**31 - 1)
    try:
        yield
    finally:
        csv.field_size_limit(before)


# -- JSON and parquet ----------------------------------------------------------------------------------------
def json_lines(path: Path, source: Files, language: str) -> Read:
    """One object per line; blank lines are skipped."""
    for number, line in numbered(path):
        if line.strip():
            row = parsed(path, line, number)
            if not isinstance(row, dict):
                raise Malformed(
                    f"{path}:{number}: is not a JSON object.",
                    'Each line is like {"premise": "…", "label": "…"}.',
                )
            yield number, row


def json_whole(path: Path, source: Files, language: str) -> Read:
    """A list of objects, an object of objects (its keys are the ids), or either under ``data``."""
    content = parsed(path, whole(path), 1)
    if isinstance(content, dict) and isinstance(content.get("data"), list | dict):
        content = content["data"]
    rows: Any = content
    if isinstance(content, dict):
        rows = [{"id": key} | value if isinstance(value, dict) else value for key, value in content.items()]
    if not isinstance(rows, list):
        raise Malformed(f"{path}: is neither a list nor an object of rows.")
    for number, row in enumerate(rows, 1):
        if not isinstance(row, dict):
            raise Malformed(f"{path}: row {number} is not an object.")
        yield number, row


def squad(path: Path, source: Files, language: str) -> Read:
    """SQuAD 1.1 or 2.0: one raw row per question, with context and title."""
    content = parsed(path, whole(path), 1)
    number = 0
    try:
        for article in content["data"]:
            for paragraph in article["paragraphs"]:
                context = paragraph["context"]
                for question in paragraph["qas"]:
                    number += 1
                    answers = question.get("answers") or []
                    yield (
                        number,
                        {
                            "id": str(question["id"]),
                            "title": article.get("title", ""),
                            "context": context,
                            "question": question["question"],
                            "impossible": bool(question.get("is_impossible")),
                            "answers": {
                                "text": [a["text"] for a in answers],
                                "answer_start": [a["answer_start"] for a in answers],
                            },
                        },
                    )
    except (KeyError, TypeError, AttributeError) as error:
        raise Malformed(
            f"{path}: is not in SQuAD's format (after {number} questions: {error!r}).",
            "data[].paragraphs[].qas[] with id, question and answers[] {text, answer_start}",
        ) from None


def parquet(path: Path, source: Files, language: str) -> Read:
    """Rows of a parquet file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        number = 0
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=2000):
                for row in batch.to_pylist():
                    number += 1
                    yield number, row
    except (pa.ArrowException, OSError) as error:
        raise Malformed(f"{path}: is not a parquet file ({str(error).splitlines()[0]}).") from None


# -- plain lines ---------------------------------------------------------------------------------------------
def plain(path: Path, source: Files, language: str) -> Read:
    """One document per line; blank lines are skipped."""
    for number, line in numbered(path):
        if line.strip():
            yield number, {"text": line}


def parallel(paths: tuple[Path, ...]) -> Read:
    """Two files whose lines translate each other: ``source`` (foreign side) and ``target`` (English side)."""
    if len(paths) != 2:
        raise Malformed(f"Parallel text needs two files, {len(paths)} given.", "source side, target side")
    sides = [[line for _, line in numbered(path)] for path in paths]
    if len(sides[0]) != len(sides[1]):
        raise Malformed(
            f"{paths[0]} has {len(sides[0])} lines, {paths[1]} has {len(sides[1])}.",
            "Line i of one file translates line i of the other.",
        )
    stripped = [line.strip() for line in sides[1]]
    if len(stripped) >= 20 and stripped == sorted(stripped):
        raise Malformed(
            f"{paths[1]}: the lines are sorted, so the pairing with {paths[0].name} is lost.",
            "XTREME's scripts write the English side sorted; take the original files (LASER, "
            "data/tatoeba/v1).",
        )
    for number, (source, target) in enumerate(zip_longest(*sides), 1):
        if not source.strip() or not target.strip():
            raise Malformed(
                f"{paths[0] if not source.strip() else paths[1]}:{number}: is blank.",
                "Line i of one file translates line i of the other.",
            )
        yield number, {"source": source, "target": target}


def tydiqa(path: Path, source: Files, language: str) -> Read:
    """SQuAD's format without the questions of other languages: a widely used downloader writes those of all
    nine into every language's file, and only the id says which is which (``english-…``). XTREME's shortened
    ids say nothing."""
    others = {name for code, name in TYDIQA_NAMES.items() if code != language}
    for number, row in squad(path, source, language):
        if row["id"].partition("-")[0] not in others:
            yield number, row


FORMATS: dict[str, Callable[[Path, Files, str], Read]] = {
    "tsv": tsv,
    "csv": comma_separated,
    "jsonl": json_lines,
    "json": json_whole,
    "parquet": parquet,
    "conll": conll,
    "conllu": conllu,
    "lines": plain,
    "text": plain,
    "squad": squad,
    "tydiqa": tydiqa,
}

SIDE_BY_SIDE: dict[str, Callable[[tuple[Path, ...]], Read]] = {"parallel": parallel}
