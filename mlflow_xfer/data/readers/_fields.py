"""Lines of two fields: what single benchmarks share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mlflow_xfer.lines import Malformed, numbered


def two_fields(path: Path) -> Iterator[tuple[int, str, str]]:
    for number, line in numbered(path):
        if line.strip():
            fields = line.split("\t")
            if len(fields) != 2:
                raise Malformed(f"{path}:{number}: has {len(fields)} fields, expected 2, separated by a tab.")
            yield number, fields[0], fields[1]
