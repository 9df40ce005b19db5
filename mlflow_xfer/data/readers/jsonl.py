"""JSON lines."""

from __future__ import annotations

from pathlib import Path

from mlflow_xfer.data.readers import Numbered, each_file
from mlflow_xfer.lines import Malformed, numbered, parsed
from mlflow_xfer.tasks.task import Files


@each_file
def read(path: Path, source: Files, language: str) -> Numbered:
    """One object per line; blank lines are skipped."""
    first = True
    for number, line in numbered(path):
        if line.strip():
            if first:
                _check_begin(path, number, line.strip())
            first = False
            row = parsed(path, line, number)
            if not isinstance(row, dict):
                raise Malformed(
                    f"{path}:{number}: is not a JSON object.",
                    'Each line is like {"premise": "…", "label": "…"}.',
                )
            yield number, row


def _check_begin(path: Path, number: int, line: str) -> None:
    """Refuse a file that is one JSON document, by its first line."""
    if line[0] == "[" or line == "{":
        what = "a JSON list" if line[0] == "[" else "a JSON document of several lines"
        raise Malformed(
            f"{path}:{number}: begins {what}, not a JSON object on each line.",
            "A list of objects is of the format json: say format: json, or let its name end in .json.",
        )
