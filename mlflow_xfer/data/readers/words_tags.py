"""CCG as jiant writes it."""

from __future__ import annotations

from pathlib import Path

from mlflow_xfer.data.readers import Places
from mlflow_xfer.data.readers._fields import two_fields
from mlflow_xfer.tasks.task import Files


def read(paths: tuple[Path, ...], source: Files, language: str) -> Places:
    """jiant's CCG files: a sentence per line, words, a tab, tags, both separated by blanks."""
    for path in paths:
        for number, left, right in two_fields(path):
            yield path, number, {"words": left.split(" "), "tags": right.split(" ")}
