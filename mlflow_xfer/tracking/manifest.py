"""Which files a published artifact consists of, and their digests. Pure: files and hashes only."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath

from mlflow_xfer.data.identity import file_digest

FILE = "manifest.json"


@dataclass(frozen=True)
class Listed:
    """One file of a manifest."""

    sha256: str
    size: int


def of(folder: Path) -> dict[str, Listed]:
    """The files under ``folder`` (POSIX paths relative to it), its own manifest left out.

    Raises:
        ValueError: the folder holds a symbolic link or something that is neither file nor folder.
    """
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink() or not (path.is_file() or path.is_dir()):
            raise ValueError(f"{name} is no plain file")
        if path.is_file() and name != FILE:
            found[name] = Listed(file_digest(path), path.stat().st_size)
    return found


def dump(files: Mapping[str, Listed]) -> str:
    """The manifest file's text (deterministic)."""
    body = {name: {"sha256": listed.sha256, "size": listed.size} for name, listed in sorted(files.items())}
    return json.dumps({"schema": 1, "files": body}, indent=1, sort_keys=True) + "\n"


def load(text: str) -> dict[str, Listed]:
    """The files that a manifest lists.

    Raises:
        ValueError: it is malformed, or a name leads out of the folder.
    """
    try:
        body = json.loads(text)
        files = {name: Listed(str(f["sha256"]), int(f["size"])) for name, f in body["files"].items()}
    except (TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"malformed manifest: {error!r}") from error
    for name in files:
        if not is_inside(name):
            raise ValueError(f"the manifest names a file outside its folder: {name!r}")
    return files


def is_inside(name: str) -> bool:
    """Whether the relative path ``name`` stays inside its folder on every operating system."""
    path, windows = PurePosixPath(name), PureWindowsPath(name)
    absolute = path.is_absolute() or windows.is_absolute() or windows.drive or windows.root
    return bool(name) and not absolute and ".." not in windows.parts and "\0" not in name


def faults(folder: Path, files: Mapping[str, Listed], ignore: frozenset[str] = frozenset()) -> list[str]:
    """How ``folder`` differs from the manifest: missing, changed and unlisted files. Empty = as published.

    Args:
        ignore: unlisted names that are harmless.
    """
    try:
        present = of(folder)
    except ValueError as error:
        return [str(error)]
    found = [f"{name} is missing" for name in files if name not in present]
    found += [
        f"{name} was changed" for name, listed in files.items() if name in present and present[name] != listed
    ]
    found += [f"{name} was added" for name in present if name not in files and name not in ignore]
    return found
