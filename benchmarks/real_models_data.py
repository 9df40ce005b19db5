"""The rows that ``real_models.py`` trains on first: cuts of tasks, drawn and permuted by the seed, with the
task file that declares them. They are written below the home; the data folder is only read.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml
from real_models_shapes import CUTS, TASKS, Cut, Target

from mlflow_xfer.data import sources
from mlflow_xfer.durable.files import write_whole
from mlflow_xfer.errors import XferError
from mlflow_xfer.kinds import kind
from mlflow_xfer.tasks.catalogue import TASKS as CATALOGUE
from mlflow_xfer.tasks.task import Task
from mlflow_xfer.tasks.task_file import load_task_file

DEV = 200
"""Dev rows of a cut: they are scored once, at the end of its training."""


class Folder:
    """The data: ``xtreme/`` in XTREME's layout, and what ``real_models_tasks.yaml`` names."""

    def __init__(self, path: Path, home: Path):
        self.path, self.home = path.absolute(), home.absolute()
        self.data = str(self.path / "xtreme")
        self._written: dict[tuple[str, int], dict[str, Any]] = {}

    @cached_property
    def tasks(self) -> dict[str, Task]:
        """The tasks of the task file whose files are there."""
        said = yaml.safe_load(TASKS.read_text("utf-8").replace("{data}", str(self.path)))["tasks"]
        there = {name: entry for name, entry in said.items() if _complete(entry)}
        file = self.home / "tasks" / "sources.yaml"
        _write(file, yaml.safe_dump({"tasks": there}))
        return {task.name: task for task in load_task_file(file)} if there else {}

    def task_file(self, names: Iterable[str], seed: int) -> Path | None:
        """A task file with these cuts; their rows are written beside it. None: no cut is needed."""
        entries = {name: self._entry(name, seed) for name in names}
        if not entries:
            return None
        file = self._folder(seed) / f"{'-'.join(entries)}.yaml"
        _write(file, yaml.safe_dump({"tasks": entries}, allow_unicode=True))
        return file

    def _folder(self, seed: int) -> Path:
        return self.home / "tasks" / f"seed-{seed}"

    def _entry(self, name: str, seed: int) -> dict[str, Any]:
        """How a cut is declared; its rows are written where they are not yet."""
        if (name, seed) not in self._written:
            cut = CUTS[name]
            task = self.tasks.get(cut.task) or CATALOGUE.get(cut.task)
            files = {}
            for split, rows in self._rows(task, cut, seed).items():
                files[split] = f"{name}.{split}.jsonl"
                lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
                _write(self._folder(seed) / files[split], "".join(lines))
            labels = {"labels": list(task.labels)} if task.labels else {}
            self._written[name, seed] = {"kind": task.kind, "files": files, **task.options, **labels}
        return self._written[name, seed]

    def _rows(self, task: Task, cut: Cut, seed: int) -> dict[str, list[dict[str, Any]]]:
        found = {}
        for split in ("train", "validation"):
            located = sources.locate(task, split, "en", self.data, seed=seed)
            if located is not None:
                found[split] = list(sources.read(task, located))
        if "train" not in found:
            raise XferError(
                f"{self.path} has no training rows of {cut.task}.", "Name the folder with --data."
            )
        draw = random.Random(seed)
        found = {
            split: _drawn(rows, cut.rows if split == "train" else DEV, draw) for split, rows in found.items()
        }
        if cut.permuted:
            found["train"] = permuted(task, found["train"], random.Random(seed))
        return found

    def languages(self, target: Target) -> list[str]:
        """Languages that a target is scored in: of those that the folder has so many as are asked for, evenly
        spread over their codes."""
        have = sorted(sources.available(CATALOGUE.get(target.task), "test", self.data))
        if not target.languages or target.languages >= len(have):
            return have
        step = (len(have) - 1) / max(target.languages - 1, 1)
        return [have[round(n * step)] for n in range(target.languages)]


def permuted(task: Task, rows: Sequence[dict[str, Any]], draw: random.Random) -> list[dict[str, Any]]:
    """The same texts and labels, each text with the label of another: nothing is left to be learnt."""
    if "label" not in kind.data(task.kind).columns:
        raise XferError(f"{task.name} has no label for each row to permute.", "Cut a classification task.")
    labels = [row["label"] for row in rows]
    draw.shuffle(labels)
    return [{**row, "label": label} for row, label in zip(rows, labels, strict=True)]


def _drawn(rows: Sequence[dict[str, Any]], most: int, draw: random.Random) -> list[dict[str, Any]]:
    """At most so many, in their order."""
    chosen = sorted(draw.sample(range(len(rows)), most)) if most < len(rows) else range(len(rows))
    return [rows[n] for n in chosen]


def _complete(entry: dict[str, Any]) -> bool:
    return all(Path(path).is_file() for path in entry["files"].values())


def _write(file: Path, content: str) -> None:
    """As it was, where nothing differs: its digest is known then."""
    if not file.is_file() or file.read_text("utf-8") != content:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_whole(file, content.encode())
