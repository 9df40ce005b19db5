"""Names: one generic registry that refuses duplicates and suggests what was meant."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from difflib import get_close_matches
from typing import Generic, TypeVar

from mlflow_xfer.errors import XferError

T = TypeVar("T")


def unknown(what: str, name: str, known: Iterable[str], see: str = "") -> XferError:
    """The error for an unknown ``name``: with the closest known names and where to see all of them."""
    known = sorted(known)
    close = get_close_matches(name.lower(), known, n=3, cutoff=0.5)
    hint = f"Did you mean {' or '.join(map(repr, close))}? " if close else ""
    if see:
        hint += f"See all: {see}"
    elif len(known) <= 12:
        hint += f"Accepted: {', '.join(known)}"
    return XferError(f"Unknown {what} {name!r}.", hint.strip())


class Registry(Generic[T]):
    """Named entries of one sort, in the order in which they were added.

    Args:
        what: the sort, as it reads in an error ("task").
        see: the command that lists all entries.
        load: called once before the first look-up; imports the modules that add the entries.
    """

    def __init__(self, what: str, see: str = "", load: Callable[[], object] | None = None):
        self.what, self.see, self._load = what, see, load
        self._entries: dict[str, T] = {}

    def _all(self) -> dict[str, T]:
        if self._load:
            load, self._load = self._load, None
            load()
        return self._entries

    def add(self, name: str, entry: T) -> T:
        """Add ``entry``; raises ``ValueError`` if the name is taken."""
        if name in self._entries:
            raise ValueError(f"{self.what} {name!r} is declared twice: {self._entries[name]!r} and {entry!r}")
        self._entries[name] = entry
        return entry

    def get(self, name: str) -> T:
        """The entry called ``name``; raises :class:`XferError` with a suggestion if there is none."""
        entries = self._all()
        if name not in entries:
            raise unknown(self.what, name, entries, self.see)
        return entries[name]

    def names(self) -> list[str]:
        return list(self._all())

    def __contains__(self, name: object) -> bool:
        return name in self._all()

    def __iter__(self) -> Iterator[T]:
        return iter(self._all().values())

    def __len__(self) -> int:
        return len(self._all())
