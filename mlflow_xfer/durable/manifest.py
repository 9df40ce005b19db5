"""Which files a folder consists of: their sizes and, where a change must be noticed, their digests.

A folder whose files are put there one by one counts only when it is whole: its manifest is written last.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath

from mlflow_xfer.durable.digests import file_digest
from mlflow_xfer.durable.files import whole_folder, write_whole

FILE = "manifest.json"


@dataclass(frozen=True)
class Listed:
    """One file of a manifest; without a digest only its size is known."""

    sha256: str
    size: int


def of(folder: Path, *, digests: bool = True) -> dict[str, Listed]:
    """The files under ``folder`` (POSIX paths relative to it), its own manifest left out.

    Args:
        digests: read the files; otherwise only their sizes are listed.

    Raises:
        ValueError: the folder holds a symbolic link or something that is neither file nor folder.
    """
    by_name = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink() or not (path.is_file() or path.is_dir()):
            raise ValueError(f"{name} is no plain file")
        if path.is_file() and name != FILE:
            by_name[name] = Listed(file_digest(path) if digests else "", path.stat().st_size)
    return by_name


def dump(files: Mapping[str, Listed]) -> str:
    """The manifest file's text (deterministic)."""
    body = {name: {"sha256": listed.sha256, "size": listed.size} for name, listed in sorted(files.items())}
    return json.dumps({"schema": 1, "files": body}, indent=1, sort_keys=True) + "\n"


@contextmanager
def sealed_folder(path: Path) -> Iterator[Path]:
    """An empty folder to fill; at the end it gets a manifest of sizes and is put at ``path``."""
    with whole_folder(path) as folder:
        yield folder
        write_whole(folder / FILE, dump(of(folder, digests=False)).encode())


def is_whole(folder: Path) -> bool:
    """Whether ``folder`` has a manifest and every file it names, in full length."""
    try:
        files = load((folder / FILE).read_text(encoding="utf-8"))
        return all((folder / name).stat().st_size == listed.size for name, listed in files.items())
    except (OSError, ValueError):
        return False


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
    wrong = [f"{name} is missing" for name in files if name not in present]
    wrong += [
        f"{name} was changed" for name, listed in files.items() if name in present and present[name] != listed
    ]
    wrong += [f"{name} was added" for name in present if name not in files and name not in ignore]
    return wrong
