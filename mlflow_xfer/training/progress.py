"""Progress with the time left on a terminal; nothing in logs."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

T = TypeVar("T")


def bar(total: int, label: str, done: int = 0) -> Any:
    """A tqdm bar on standard error, shown only where that is a terminal; ``update(n)`` and ``close()``."""
    from tqdm import tqdm

    return tqdm(
        total=total,
        initial=done,
        desc=label,
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
