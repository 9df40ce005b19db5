"""Records of fields, with or without a header: what tsv and csv share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mlflow_xfer.data.readers import Numbered
from mlflow_xfer.lines import Malformed
from mlflow_xfer.tasks.task import Files


def table(path: Path, rows: Iterator[tuple[int, list[str]]], source: Files) -> Numbered:
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
