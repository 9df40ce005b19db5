"""A user's own examples, without labels, for ``predict``: text, TSV, CSV or JSON lines.

The columns are those that the task's kind asks for (``kinds/<name>/data.py``); in a line of a ``.txt`` file
they stand in that order, with tabs between them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mlflow_xfer.data.readers import reader
from mlflow_xfer.errors import Problems, XferError
from mlflow_xfer.kinds import kind as kinds
from mlflow_xfer.lines import looked_for, numbered, parsed, unpacking
from mlflow_xfer.tasks.task import Files

FORMATS = (".txt", ".tsv", ".csv", ".jsonl")
MAX_PROBLEMS = 20  # of one file; more are not looked for


class Line(str):
    """The number of a line, where an example has no id of its own."""


def read_unlabelled(path: Path | str, kind: str) -> list[dict[str, Any]]:
    """The examples of ``path`` in the canonical columns of ``kind``; arguments and errors as for
    :func:`with_own_columns`."""
    return [row for _, row in with_own_columns(path, kind)]


def with_own_columns(path: Path | str, kind: str) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Of each example its columns as they stand in the file, with ``id`` a :class:`Line` where there is none,
    and the canonical ones of ``kind``, whose ids are always line numbers.

    Raises:
        XferError: no such file, another format, or every line that does not read as the kind needs.
    """
    path, problems, rows, reads = Path(path), Problems(), [], kinds.data(kind)
    if not path.is_file():
        raise XferError(
            f"{path}: {looked_for(path, 'file')}",
            f"Accepted: a file {', '.join(FORMATS)}; the columns for {kind}: {wanted(kind)}",
        )
    if path.suffix.lower() not in FORMATS:
        raise XferError(
            f"{path}: unknown format {path.suffix or 'without an ending'}.",
            unpacking(path) or f"Accepted endings: {', '.join(FORMATS)}",
        )
    for number, raw in _raw(path, kind):
        if len(problems.found) >= MAX_PROBLEMS:
            break
        try:
            named = {"id": Line(number)}
            rows.append((dict(raw) if "id" in raw else {**named, **raw}, named | reads.unlabelled(raw)))
        except KeyError as error:
            problems.add(f"{path}:{number}: has no {error.args[0]}.", f"Columns for {kind}: {wanted(kind)}")
        except ValueError as error:
            problems.add(f"{path}:{number}: {error}.", f"Columns for {kind}: {wanted(kind)}")
    problems.raise_if_any()
    if not rows:
        raise XferError(f"{path} holds no example.", f"Columns for {kind}: {wanted(kind)}")
    return rows


def wanted(kind: str) -> str:
    """The columns of ``kind``, in words."""
    reads = kinds.data(kind)
    return ", ".join(f"{name} (optional)" if name in reads.optional else name for name in reads.asked)


def _raw(path: Path, kind: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """(line, columns by name) of each example; empty lines are left out."""
    form = path.suffix.lower()[1:]
    if form == "jsonl":
        for number, line in numbered(path):
            if line.strip():
                record = parsed(path, line, number)
                if not isinstance(record, dict):
                    raise XferError(
                        f"{path}:{number}: is no JSON object.",
                        (
                            f"Expected an object with the columns {wanted(kind)}: "
                            f'{{"{kinds.data(kind).asked[0]}": …}}'
                        ),
                    )
                yield number, record
    elif form == "txt":
        for number, line in numbered(path):
            if line.strip():
                yield number, kinds.data(kind).in_line(line.split("\t"))
    else:
        for _, number, raw in reader(form)((path,), Files({}, format=form, header=True), ""):
            yield number, raw


def text_in(raw: Mapping[str, Any], *names: str) -> str:
    """The first of the columns that is there, a text that is not blank."""
    text = next((raw[name] for name in names if raw.get(name) is not None), None)
    if text is None:
        raise KeyError(" or ".join(names))
    if not isinstance(text, str):
        raise ValueError(f"{names[0]} is {type(text).__name__}, not text")
    if not text.strip():
        raise ValueError(f"{names[0]} is empty")
    return text
