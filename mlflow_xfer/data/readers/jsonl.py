"""JSON lines."""

from __future__ import annotations

from pathlib import Path

from mlflow_xfer.data.readers import Numbered, each_file
from mlflow_xfer.lines import Malformed, numbered, parsed
from mlflow_xfer.tasks.task import Files


@each_file
def read(path: Path, source: Files, language: str) -> Numbered:
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
