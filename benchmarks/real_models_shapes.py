"""Of what the stages of ``real_models.py`` are made: conditions, targets, registered contrasts, pieces.

A stage asks one question. It is run in pieces, one for each seed (some have several), so that a piece is a
whole comparison. What a stage declares has a hash, which its rows carry: a stage that is changed after its
first row is no longer registered.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from mlflow_xfer.studies import tables
from mlflow_xfer.studies.found import study
from mlflow_xfer.studies.study import Study

TASKS = Path(__file__).with_name("real_models_tasks.yaml")
BASELINE = "none"
MATCHED = "none, as many steps"
CORES, SIDE_BY_SIDE = 2, 0.8
"""Idle cores that minutes are planned for, and what of both one process makes use of."""


@dataclass(frozen=True)
class Cut:
    """English training rows of a task: so many, drawn by the seed; ``permuted``: each with the label of
    another of them, which is the matched null."""

    task: str
    rows: int
    permuted: bool = False


CUTS: Mapping[str, Cut] = {
    "mnli-5k": Cut("mnli-pairs", 5000),
    "mnli-5k-permuted": Cut("mnli-pairs", 5000, permuted=True),
    "pawsx-1k": Cut("pawsx", 1000),
    "sick": Cut("sick-pairs", 4500),
    "sick-permuted": Cut("sick-pairs", 4500, permuted=True),
    "rte-2490": Cut("rte-pairs", 2490),
    "cosmosqa-500": Cut("cosmosqa-stories", 500),
    "pos-3k": Cut("udpos", 3000),
}

SHARED = {
    "learning_rate": 5e-5,
    "train_batch_size": 16,
    "max_seq_length": 96,
    "num_train_epochs": 3,
    "intermediate.num_train_epochs": 1,
    "max_dev_examples": 200,
    "precision": "bf16",
}
"""Settings of all stages; one process on the CPU. In bfloat16 a training takes 0.6 of the time where the
processor has instructions for it (training.md); evaluations are in float32."""


@dataclass(frozen=True)
class Condition:
    """What comes before the target. ``steps_of``: no intermediate task, but as many steps on the target as
    that condition makes altogether."""

    name: str
    intermediate: tuple[str, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    steps_of: str = ""
    targets: tuple[str, ...] = ()
    """Those that it concerns; empty: all of the stage."""


@dataclass(frozen=True)
class Target:
    """A target task: ``rows`` of its English training rows (0: all), scored on ``tested`` rows of each of at
    most ``languages`` of the languages that the folder has (0: all)."""

    task: str
    rows: int = 0
    tested: int = 200
    languages: int = 0
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return f"{self.task}-{self.rows}" if self.rows else self.task


@dataclass(frozen=True)
class Registered:
    """A contrast that was fixed before the first run, and the direction that was expected."""

    condition: str
    against: str
    target: str
    expected: str


@dataclass(frozen=True)
class Stage:
    name: str
    question: str
    conditions: tuple[Condition, ...]
    targets: tuple[Target, ...]
    seeds: tuple[int, ...]
    settings: Mapping[str, Any] = field(default_factory=dict)
    registered: tuple[Registered, ...] = ()
    margin: float = 1.0
    parts: int = 1
    """Pieces of each seed."""
    pool: tuple[str, ...] = ()
    """Candidates of a search; their subsets are the conditions."""
    study: str = ""
    """The study of the product that its rows answer, at its small scale; its arms are the conditions."""

    @property
    def hash(self) -> str:
        """Of all that is declared of it, the tasks' files included."""
        cuts = {name: asdict(cut) for name, cut in CUTS.items() if name in self.cuts}
        own = {name: value for name, value in asdict(self).items() if name != "study" or value}
        asked = [self.studied.spec()] if self.study else []
        said = [own, cuts, SHARED, TASKS.read_text("utf-8"), *asked]
        return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:16]

    @property
    def cuts(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(name for one in self.conditions for name in one.intermediate))

    @property
    def studied(self) -> Study:
        """The study that its rows answer."""
        return tables.at_once(study(self.study), [target.name for target in self.targets])

    def cells(self) -> list[tuple[Condition, Target]]:
        """What is run for one seed, in order."""
        return [
            (condition, target)
            for condition in self.conditions
            for target in self.targets
            if not condition.targets or target.name in condition.targets
        ]


@dataclass(frozen=True)
class Piece:
    """What one command runs. ``answers``: what a search and proxies say, once all subsets are scored."""

    stage: Stage
    seed: int
    part: int = 0
    answers: bool = False

    @property
    def name(self) -> str:
        part = "-answers" if self.answers else f"-{self.part + 1}" if self.stage.parts > 1 else ""
        return f"{self.stage.name}-{self.seed}{part}"

    def cells(self) -> list[tuple[Condition, Target]]:
        return [] if self.answers else self.stage.cells()[self.part :: self.stage.parts]
