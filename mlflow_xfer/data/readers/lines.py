"""Plain text."""

from __future__ import annotations

from pathlib import Path

from mlflow_xfer.data.readers import Numbered, each_file
from mlflow_xfer.lines import numbered
from mlflow_xfer.tasks.task import Files


@each_file
def read(path: Path, source: Files, language: str) -> Numbered:
    """One document per line; blank lines are skipped."""
    for number, line in numbered(path):
        if line.strip():
            yield number, {"text": line}
