"""One JSON document."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mlflow_xfer.data.readers import Numbered, each_file
from mlflow_xfer.lines import Malformed, parsed, whole
from mlflow_xfer.tasks.task import Files


@each_file
def read(path: Path, source: Files, language: str) -> Numbered:
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
            raise Malformed(
                f"{path}: row {number} is not an object.",
                'Rows are like {"premise": "…", "label": "…"}; pandas writes such with orient="records".',
            )
        yield number, row
