"""Folders that count only when whole: a manifest is written last, then the folder is renamed into place.

Resume state is several files; a process can die between any two of them. A folder is taken only if its
manifest names every file with its size, so a half-written one is passed over for the one before it.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

MANIFEST = "manifest.json"
PARTIAL = ".partial"
STEP = re.compile(r"step-(\d+)")


def write_whole(folder: Path, write: Callable[[Path], None]) -> None:
    """Let ``write`` fill a new folder and put it at ``folder``; seen from outside it is
    there whole or not at all."""
    partial = folder.with_name(folder.name + PARTIAL)
    shutil.rmtree(partial, ignore_errors=True)
    write(partial)
    files = {str(p.relative_to(partial)): p.stat().st_size for p in sorted(partial.rglob("*")) if p.is_file()}
    write_json(partial / MANIFEST, {"files": files})
    shutil.rmtree(folder, ignore_errors=True)
    os.replace(partial, folder)


def is_whole(folder: Path) -> bool:
    """Whether ``folder`` has a manifest and every file it names, in full length."""
    try:
        files = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))["files"]
        return all((folder / name).stat().st_size == size for name, size in files.items())
    except (OSError, ValueError, KeyError, AttributeError, TypeError):
        return False


def write_json(file: Path, value: Any) -> None:
    """Write ``value`` as JSON so that the file is there whole or not at all; floats keep every bit."""
    partial = file.with_name(file.name + PARTIAL)
    partial.write_text(json.dumps(value, indent=1, sort_keys=True), encoding="utf-8")
    os.replace(partial, file)


def step_folder(parent: Path, step: int) -> Path:
    return parent / f"step-{step}"


def steps(parent: Path) -> list[int]:
    """Steps of which ``parent`` holds a whole folder, in order."""
    found = [STEP.fullmatch(p.name) for p in parent.iterdir()] if parent.is_dir() else []
    numbers = sorted(int(match[1]) for match in found if match)
    return [step for step in numbers if is_whole(step_folder(parent, step))]


def prune(parent: Path, keep: set[int]) -> None:
    """Remove all of ``parent`` but the folders of the steps to ``keep``."""
    if parent.is_dir():
        for path in parent.iterdir():
            match = STEP.fullmatch(path.name)
            if not match or int(match[1]) not in keep:
                shutil.rmtree(path, ignore_errors=True)
