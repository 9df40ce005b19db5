"""BUCC's mining."""

from __future__ import annotations

from pathlib import Path

from mlflow_xfer.data.readers import Places
from mlflow_xfer.data.readers._fields import two_fields
from mlflow_xfer.lines import Malformed
from mlflow_xfer.tasks.task import Files


def read(paths: tuple[Path, ...], source: Files, language: str) -> Places:
    """BUCC: two files ``id<TAB>sentence`` and a file of gold pairs ``id<TAB>English id``.

    Every sentence of both sides is a row, with the gold pairs as they stand: that XTREME leaves out sentences
    which occur twice is part of its mining, and a gold pair of theirs then counts as missed.
    """
    foreign, english, gold = paths
    sides = [list(two_fields(path)) for path in (foreign, english)]
    known = [{name for _, name, _ in side} for side in sides]
    pairs: dict[str, list[str]] = {}
    for number, left, right in two_fields(gold):
        if left not in known[0] or right not in known[1]:
            raise Malformed(
                f"{gold}:{number}: {left} or {right} is not an id of {foreign.name} and {english.name}."
            )
        pairs.setdefault(left, []).append(right)
    for number, name, sentence in sides[0]:
        yield foreign, number, {"id": name, "source": sentence, "target": None, "gold": pairs.get(name, [])}
    for number, name, sentence in sides[1]:
        yield english, number, {"id": name, "source": None, "target": sentence, "gold": []}
