"""Folders of resume states, one for each step: only whole ones count.

Resume state is several files; a process can die between any two of them. A folder is taken only if its
manifest names every file with its size, so a half-written one is passed over for the one before it. Who
trains here claims the place: on a disk that several hosts mount another may come while one stands still.
"""

from __future__ import annotations

import re
import shutil
import uuid
from pathlib import Path

from mlflow_xfer.durable.files import write_whole
from mlflow_xfer.durable.manifest import is_whole
from mlflow_xfer.training.parts import Displaced

STEP = re.compile(r"step-(\d+)")


def step_folder(parent: Path, step: int) -> Path:
    return parent / f"step-{step}"


def steps(parent: Path) -> list[int]:
    """Steps of which ``parent`` holds a whole folder, in order."""
    matches = [STEP.fullmatch(p.name) for p in parent.iterdir()] if parent.is_dir() else []
    numbers = sorted(int(match[1]) for match in matches if match)
    return [step for step in numbers if is_whole(step_folder(parent, step))]


def prune(parent: Path, keep: set[int]) -> None:
    """Remove all of ``parent`` but the folders of the steps to ``keep``."""
    if parent.is_dir():
        for path in parent.iterdir():
            match = STEP.fullmatch(path.name)
            if not match or int(match[1]) not in keep:
                shutil.rmtree(path, ignore_errors=True)


class Claim:
    """The right to write in the folder ``work``: that of the process that claimed it last."""

    def __init__(self, work: Path):
        self.file, self.own = work / "claim", uuid.uuid4().hex
        write_whole(self.file, self.own.encode())

    def check(self) -> None:
        """Raise :class:`Displaced` if another process has claimed the folder meanwhile."""
        try:
            holder = self.file.read_text(encoding="utf-8")
        except OSError:  # the other one has come to its end, and removed what lay here
            holder = ""
        if holder != self.own:
            raise Displaced
