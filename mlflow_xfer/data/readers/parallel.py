"""Two files, side by side."""

from __future__ import annotations

from itertools import zip_longest
from pathlib import Path

from mlflow_xfer.data.readers import Places
from mlflow_xfer.lines import Malformed, numbered
from mlflow_xfer.tasks.task import Files


def read(paths: tuple[Path, ...], source: Files, language: str) -> Places:
    """Two files whose lines translate each other: ``source`` (foreign side) and ``target`` (English side)."""
    if len(paths) != 2:
        raise Malformed(
            f"{paths[0]}: parallel text needs two files, {len(paths)} given.", "source side, target side"
        )
    sides = [[line for _, line in numbered(path)] for path in paths]
    if len(sides[0]) != len(sides[1]):
        raise Malformed(
            f"{paths[0]} has {len(sides[0])} lines, {paths[1]} has {len(sides[1])}.",
            "Line i of one file translates line i of the other.",
        )
    stripped = [line.strip() for line in sides[1]]
    if len(stripped) >= 20 and stripped == sorted(stripped):
        raise Malformed(
            f"{paths[1]}: the lines are sorted, so the pairing with {paths[0].name} is lost.",
            "XTREME's scripts write the English side sorted; take the original files (LASER, "
            "data/tatoeba/v1).",
        )
    for number, (foreign, english) in enumerate(zip_longest(*sides), 1):
        if not foreign.strip() or not english.strip():
            raise Malformed(
                f"{paths[0] if not foreign.strip() else paths[1]}:{number}: is blank.",
                "Line i of one file translates line i of the other.",
            )
        yield paths[0], number, {"source": foreign, "target": english}
