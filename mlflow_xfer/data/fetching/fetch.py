"""Fetches data sets one after the other, and remembers what it took in a lock file beside them."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from mlflow_xfer.data.fetching.archives import CLOSED, DATA_SETS, PART_OF, Archive, DataSet
from mlflow_xfer.data.fetching.download import mirrored, take
from mlflow_xfer.durable import locks
from mlflow_xfer.durable.digests import file_digest
from mlflow_xfer.durable.files import whole_folder, write_json
from mlflow_xfer.errors import TRY_AGAIN, Problems, XferError
from mlflow_xfer.registry import unknown

logger = logging.getLogger(__name__)

LOCK = "fetched.json"
ARCHIVES = ".archives"
State = Literal["to fetch", "fetched before", "there, not by fetch"]


def chosen(names: Sequence[str] | Literal["auto"]) -> list[DataSet]:
    """The data sets of these tasks and what they need besides; ``auto``: all that need no login.

    Raises:
        XferError: what cannot be fetched, with what it needs instead.
    """
    asked = list(DATA_SETS) if names == "auto" else [PART_OF.get(name, name) for name in names]
    problems = Problems()
    for name in asked:
        if name in CLOSED:
            problems.add(f"{name} cannot be fetched: it needs {CLOSED[name]}.", "Leave it out of --tasks.")
        elif name not in DATA_SETS:
            problems.add(unknown("data set to fetch", name, [*DATA_SETS, *PART_OF]))
    problems.raise_if_any()
    needed = [one for name in asked for one in (*DATA_SETS[name].needs, name)]
    return [DATA_SETS[name] for name in dict.fromkeys(needed)]


def state(one: DataSet, out: Path) -> State:
    """Whether its folder is there.

    Raises:
        XferError: it is not any more as it was made.
    """
    folder = out / one.name
    if not folder.exists():
        return "to fetch"
    files = _lock(out)["folders"].get(one.name)
    if files is None:
        return "there, not by fetch"
    for name, digest in files.items():
        if not (folder / name).is_file() or file_digest(folder / name) != digest:
            raise XferError(
                f"{folder / name} is not as it was fetched.",
                f"Remove {folder} and repeat the command, or name another folder with --out.",
            )
    return "fetched before"


def fetch(wanted: Sequence[DataSet], out: Path, mirror: str = "") -> dict[str, State]:
    """Fetch what is not there. A data set's folder is put in place when it is whole.

    Returns:
        What was found of each before.
    """
    out.mkdir(parents=True, exist_ok=True)
    try:
        with locks.held(out / ARCHIVES / "lock", 0.0):
            found: dict[str, State] = {one.name: state(one, out) for one in wanted}
            for one in wanted:
                if found[one.name] == "to fetch":
                    _fetch(one, out, mirror)
    except TimeoutError:
        raise XferError(f"Another process fetches into {out}.", "Wait for it.", exit_code=TRY_AGAIN) from None
    shutil.rmtree(out / ARCHIVES, ignore_errors=True)
    return found


def _fetch(one: DataSet, out: Path, mirror: str) -> None:
    logger.info("%s: %s (licence: %s)", one.name, size(one), one.terms)
    files, content = [], _lock(out)
    for archive in one.archives:
        path = out / ARCHIVES / one.name / archive.name
        logger.info("  %s", mirrored(archive.address, mirror))
        known = archive.sha256 or content["archives"].get(archive.address, "")
        content["archives"][archive.address] = take(archive, path, one, known=known, mirror=mirror)
        write_json(out / LOCK, content)
        files.append(path)
    with whole_folder(out / one.name) as folder:
        one.lay(files, folder)
    made = sorted(path for path in (out / one.name).rglob("*") if path.is_file())
    content["folders"][one.name] = {
        path.relative_to(out / one.name).as_posix(): file_digest(path) for path in made
    }
    write_json(out / LOCK, content)
    shutil.rmtree(out / ARCHIVES / one.name)


def checksum(archive: Archive, out: Path) -> str:
    """What is known of a file's sha256 before it is taken again."""
    if archive.sha256:
        return "published"
    return "recorded" if archive.address in _lock(out)["archives"] else "recorded when first taken"


def size(one: DataSet) -> str:
    return f"{one.size / 1e6:,.0f} MB" if one.size else f"{len(one.archives)} small files"


def _lock(out: Path) -> dict[str, Any]:
    """``archives``: sha256 by address; ``folders``: by data set the sha256 of each file.

    Raises:
        XferError: it does not read.
    """
    path = out / LOCK
    if not path.exists():
        return {"archives": {}, "folders": {}}
    try:
        found = json.loads(path.read_bytes())
        return {"archives": dict(found["archives"]), "folders": dict(found["folders"])}
    except (ValueError, KeyError, TypeError) as error:
        raise XferError(
            f"{path}: does not read ({error!r:.100}).", "Remove it to fetch everything anew."
        ) from None
