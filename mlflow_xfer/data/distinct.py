"""Names of rows, of which no two are equal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


class Distinct:
    """Gives each row a name of its own, from its id.

    A repeated id gets ``#2``, ``#3`` … in the order of the rows (TyDiQA's ids repeat). Files of predictions
    hold these names.
    """

    def __init__(self) -> None:
        self._times: dict[tuple[Sequence[str], str], int] = {}
        self._taken: set[tuple[str, str]] = set()

    def __call__(self, base: str, among: Sequence[str] = ("",)) -> str:
        """A name that no row of the sets ``among`` has yet."""
        name = base
        while any((one, name) in self._taken for one in among):
            times = self._times[among, base] = self._times.get((among, base), 1) + 1
            name = f"{base}#{times}"
        self._taken.update((one, name) for one in among)
        return name


class Ids:
    """Gives the rows of a split their names; a row without an id has its number for one, from 0."""

    def __init__(self) -> None:
        self.distinct = Distinct()

    def __call__(self, found: str | None, number: int, row: Mapping[str, Any]) -> str:
        """The name of ``row``, whose id is ``found``."""
        return self.distinct(found or str(number))

    def problem(self) -> tuple[str, str]:
        """What is wrong with the ids, once all rows were named, and what to do; empty: nothing is."""
        return "", ""
