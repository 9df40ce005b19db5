"""Progress with the time left on a terminal; nothing in logs."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

T = TypeVar("T")
_what: ContextVar[str] = ContextVar("what is done while a bar is shown", default="")


@contextmanager
def beside(what: str) -> Iterator[None]:
    """Bars that are shown meanwhile begin with ``what``."""
    before = _what.set(what)
    try:
        yield
    finally:
        _what.reset(before)


def said() -> str:
    """What bars begin with."""
    return _what.get()


def bar(total: int, label: str, done: int = 0) -> Any:
    """A tqdm bar on standard error, shown only where that is a terminal; ``update(n)`` and ``close()``."""
    from tqdm import tqdm

    return tqdm(
        total=total,
        initial=done,
        desc=f"{_what.get()} {label}".lstrip(),
        disable=not sys.stderr.isatty(),
        leave=False,
        smoothing=0.1,
        file=sys.stderr,
    )


def tracked(items: Iterable[T], total: int, label: str) -> Iterator[T]:
    """``items`` with a bar."""
    shown = bar(total, label)
    try:
        for item in items:
            yield item
            shown.update(1)
    finally:
        shown.close()
