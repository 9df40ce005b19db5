"""Fields between commas."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mlflow_xfer.data.readers import Numbered, each_file
from mlflow_xfer.data.readers._table import separated_otherwise, table
from mlflow_xfer.lines import Malformed, numbered
from mlflow_xfer.tasks.task import Files


@each_file
def read(path: Path, source: Files, language: str) -> Numbered:
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
                    first = next((line for _, line in numbered(path)), "")
                    raise Malformed(
                        f"{path}:{lines.line_num}: is not csv ({error}).",
                        separated_otherwise(first, "csv")
                        or 'A quote inside a quoted field is written twice: "say ""no""".',
                    ) from None
                if fields:
                    yield lines.line_num, fields

        yield from table(path, rows(), source)


@contextmanager
def _any_field_size() -> Iterator[None]:
    before = csv.field_size_limit(2**31 - 1)
    try:
        yield
    finally:
        csv.field_size_limit(before)
