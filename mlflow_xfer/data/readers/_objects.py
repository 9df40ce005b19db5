"""Objects on lines: what single benchmarks share."""

from __future__ import annotations

from pathlib import Path

from mlflow_xfer.data.readers import Places
from mlflow_xfer.lines import Malformed, numbered, parsed


def objects(path: Path, needed: tuple[str, ...] = ()) -> Places:
    yield from having(
        ((path, number, parsed(path, line, number)) for number, line in numbered(path) if line.strip()),
        *needed,
    )


def having(rows: Places, *needed: str) -> Places:
    for path, number, row in rows:
        missing = [name for name in needed if not isinstance(row, dict) or row.get(name) is None]
        if missing:
            raise Malformed(f"{path}:{number}: has no {', '.join(missing)}.")
        yield path, number, row
