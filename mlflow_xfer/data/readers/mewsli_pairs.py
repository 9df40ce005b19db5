"""Mewsli-X: pairs of a mention and its entity."""

from __future__ import annotations

from pathlib import Path

from mlflow_xfer.data.readers import Places
from mlflow_xfer.data.readers._mewsli import described, marked
from mlflow_xfer.data.readers._objects import having, objects
from mlflow_xfer.tasks.task import Files


def convert(rows: Places, language: str) -> Places:
    """Mewsli-X's Wikipedia pairs (English): a mention and the description of its entity, in one row."""
    for path, number, row in having(rows, "contextual_mention", "entity"):
        context, mention = row["contextual_mention"]["context"], row["contextual_mention"]["mention"]
        yield (
            path,
            number,
            {
                "id": mention["example_id"],
                "source": marked(path, number, context, mention),
                "target": described(path, number, row["entity"]),
            },
        )


def read(paths: tuple[Path, ...], source: Files, language: str) -> Places:
    """As lines of JSON objects."""
    yield from convert((place for path in paths for place in objects(path)), language)
