"""What ``mlflow-xfer gc`` does: it keeps the copies and caches of this machine within a budget.

Only what can be had again goes: copies of checkpoints that the tracking store holds, and rows, encodings and
comparisons that are computed anew. What finished runs hold lies in the store and is never touched, nor are
states of interrupted trainings, records that wait to be delivered, and what searches are kept in.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from mlflow_xfer.durable.files import discard, inside
from mlflow_xfer.errors import TRY_AGAIN, XferError
from mlflow_xfer.home import home
from mlflow_xfer.params.lookups import CACHES, Gc
from mlflow_xfer.reporting.columns import aligned, size
from mlflow_xfer.tracking.drivers import held_elsewhere

ENTRIES = {"encoded": "*/*"}  # where entries do not lie side by side
RECENT = 3600.0  # seconds; what was used since then stays, as a command without a lock may be reading it


@dataclass(frozen=True)
class Entry:
    """A file or folder of a cache: its bytes, and when one of its files was last read or written."""

    cache: str
    path: Path
    size: int
    used: float


def gc(params: Gc) -> str:
    """Raises :class:`XferError` with exit code 75 if something is to go while a command runs here."""
    found = entries()
    going = over_budget([one for one in found if one.cache in params.caches], found, params.budget * 1e9)
    freed = sum(one.size for one in going)
    if not params.dry_run and going:
        if held := held_elsewhere():
            raise XferError(
                f"{held} locks of running commands are held in {home() / 'locks'}: nothing is dropped.",
                "Wait until they have ended, then repeat the command.",
                exit_code=TRY_AGAIN,
            )
        for one in going:
            drop(one.path)
    verb = "would go; drop them with: --dry_run false" if params.dry_run else "dropped"
    return f"{home()}\n{_table(found, going)}\n{len(going)} entries, {size(freed)}, {verb}"


def entries() -> list[Entry]:
    """All that may go, what was not used for longest first."""
    found = (
        _entry(cache, path) for cache in CACHES for path in (home() / cache).glob(ENTRIES.get(cache, "*"))
    )
    return sorted(filter(None, found), key=lambda one: one.used)


def over_budget(may_go: Iterable[Entry], found: Iterable[Entry], budget: float) -> list[Entry]:
    """Those of ``may_go`` that have to go, in order, until all of ``found`` take ``budget`` bytes."""
    left, going, now = sum(one.size for one in found) - budget, [], time.time()
    for one in may_go:
        if left > 0 and one.used < now - RECENT:
            left -= one.size
            going.append(one)
    return going


def drop(path: Path) -> None:
    """Remove a file or folder; of a link, the link."""
    if path.is_dir() and not path.is_symlink():
        discard(path)
    else:
        path.unlink(missing_ok=True)


def _entry(cache: str, path: Path) -> Entry | None:
    """None: it was removed, or put in its place, since it was listed."""
    try:
        own = path.lstat()
    except FileNotFoundError:
        return None
    folder = path.is_dir() and not path.is_symlink()
    stats = ([found for _, found in inside(path)] if folder else []) or [own]
    return Entry(
        cache, path, sum(one.st_size for one in stats), max(max(s.st_mtime, s.st_atime) for s in stats)
    )


def _table(found: list[Entry], going: list[Entry]) -> str:
    rows = []
    for cache in CACHES:
        mine, goes = (sum(one.size for one in of if one.cache == cache) for of in (found, going))
        rows.append([cache, size(mine), size(goes), size(mine - goes)])
    return aligned(["cache", "size", "goes", "stays"], rows, right=(1, 2, 3))
