"""What queries and candidates are called."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from mlflow_xfer.data.distinct import Ids

NAMELESS = re.compile(r"#[0-9]+")
"""What a candidate without an id is called: no gold id can name it."""


class BySide(Ids):
    """Names queries among queries and candidates among candidates: collections number both from 1. A pair is
    both. What has a query and no id has its number for one, from 0; a candidate alone :data:`NAMELESS`."""

    def __init__(self) -> None:
        super().__init__()
        self.numbered: dict[str, None] = {}  # pairs without ids
        self.gold: set[str] = set()

    def __call__(self, found: str | None, number: int, row: Mapping[str, Any]) -> str:
        sides = tuple(side for side in ("source", "target") if row.get(side) is not None)
        self.gold.update(row.get("gold") or ())
        name = self.distinct(found or (str(number) if "source" in sides else f"#{number}"), sides)
        if not found and len(sides) == 2:
            self.numbered[name] = None
        return name

    def problem(self) -> tuple[str, str]:
        named = [name for name in self.numbered if name in self.gold]
        if not named:
            return "", ""
        return (
            f"{len(named)} gold ids name pairs that have no id, such as {named[0]!r}, the number of one.",
            "Pairs that are right for other queries need ids. columns: {id: …} says where ids stand.",
        )
