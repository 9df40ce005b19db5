"""Records of fields, with or without a header: what tsv and csv share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mlflow_xfer.data.readers import Numbered
from mlflow_xfer.errors import few
from mlflow_xfer.lines import Malformed
from mlflow_xfer.tasks.task import Files

MARKS = {"csv": (",", "commas"), "tsv": ("\t", "tabs")}
"""By format, what separates fields."""


def separated_otherwise(line: str, form: str) -> str:
    """What to do with a file whose first ``line`` has more of another mark than of its format's; else ""."""
    mark, name = MARKS[form]
    other = max((one for one in ",;\t|" if one != mark), key=line.count)
    if line.count(other) <= line.count(mark):
        return ""
    better = next((form for form, (one, _) in MARKS.items() if one == other), "")
    said = MARKS[better][1] if better else repr(other)
    remedy = f"say format: {better}, or let its name end in .{better}" if better else f"write it with {name}"
    return f"In the format {form} {name} separate fields, its first line has {said}: {remedy}."


def table(path: Path, rows: Iterator[tuple[int, list[str]]], source: Files) -> Numbered:
    names: list[str] | None = None
    width, first = 0, ""
    for number, fields in rows:
        if not width:
            width, first = len(fields), fields[0]
            if source.header:
                names = fields
                if len(set(names)) < width:
                    raise Malformed(f"{path}:{number}: the header names a column twice: {few(names)}.")
                continue
        if len(fields) != width:
            raise Malformed(
                f"{path}:{number}: has {len(fields)} fields, the first line has {width}.",
                (separated_otherwise(first, source.format) if width == 1 else "")
                or f"Fields are separated by {MARKS[source.format][1]}.",
            )
        yield number, dict(zip(names, fields, strict=True)) if names else fields
