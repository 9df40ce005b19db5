"""Names of rows whose ids repeat."""

from __future__ import annotations


class Distinct:
    """Gives each row a name of its own, from its id.

    A repeated id gets ``#2``, ``#3`` … in the order of the rows (TyDiQA's ids repeat). Files of predictions
    hold these names.
    """

    def __init__(self) -> None:
        self._times: dict[str, int] = {}
        self._taken: set[str] = set()

    def __call__(self, base: str) -> str:
        name = base
        while name in self._taken:
            self._times[base] = self._times.get(base, 1) + 1
            name = f"{base}#{self._times[base]}"
        self._taken.add(name)
        return name
