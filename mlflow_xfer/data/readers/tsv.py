"""Fields between tabs."""

from __future__ import annotations

import re
from pathlib import Path

from mlflow_xfer.data.readers import Numbered, each_file
from mlflow_xfer.data.readers._table import table
from mlflow_xfer.lines import ends_with_crlf, numbered
from mlflow_xfer.tasks.task import Files

QUOTED = re.compile(r'"(?:[^"]|"")*"')


@each_file
def read(path: Path, source: Files, language: str) -> Numbered:
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
    return table(path, rows, source)


def _unquoted(field: str) -> str:
    return field[1:-1].replace('""', '"') if field.startswith('"') else field
