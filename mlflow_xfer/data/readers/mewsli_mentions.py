"""Mewsli-X: mentions of entities."""

from __future__ import annotations

from pathlib import Path

from mlflow_xfer.data.readers import Places
from mlflow_xfer.data.readers._mewsli import marked
from mlflow_xfer.data.readers._objects import having, objects
from mlflow_xfer.tasks.task import Files


def convert(rows: Places, language: str) -> Places:
    """Mewsli-X's WikiNews mentions in one language: ``span:
    left { span } right`` within the mention's sentence.
    """
    for path, number, row in having(rows, "context", "mentions"):
        if row["context"].get("language") != language:
            continue
        for mention in row["mentions"]:
            yield (
                path,
                number,
                {
                    "id": mention["example_id"],
                    "source": marked(path, number, row["context"], mention),
                    "target": None,
                    "gold": [mention["entity_id"]],
                },
            )


def read(paths: tuple[Path, ...], source: Files, language: str) -> Places:
    """As lines of JSON objects."""
    yield from convert((place for path in paths for place in objects(path)), language)
