"""Mewsli-X: candidates."""

from __future__ import annotations

from pathlib import Path

from mlflow_xfer.data.readers import Places
from mlflow_xfer.data.readers._mewsli import described
from mlflow_xfer.data.readers._objects import having, objects
from mlflow_xfer.tasks.task import Files


def convert(rows: Places, language: str) -> Places:
    """Mewsli-X's candidates: descriptions of entities, each in some language."""
    for path, number, row in having(rows, "entity_id", "description"):
        target = described(path, number, row)
        yield path, number, {"id": row["entity_id"], "source": None, "target": target, "gold": []}


def read(paths: tuple[Path, ...], source: Files, language: str) -> Places:
    """As lines of JSON objects."""
    yield from convert((place for path in paths for place in objects(path)), language)
