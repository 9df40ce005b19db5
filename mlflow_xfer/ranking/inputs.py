"""What proxies read: rows, checkpoints, features and embeddings, each made once."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mlflow_xfer.data import sources
from mlflow_xfer.errors import XferError
from mlflow_xfer.phases import whole
from mlflow_xfer.phases.execute import Executor
from mlflow_xfer.phases.phase import BaseModel, Phase, StartModel
from mlflow_xfer.stats.transferability import probe
from mlflow_xfer.tasks.task import Task

if TYPE_CHECKING:
    from mlflow_xfer.training.features import Features
    from mlflow_xfer.training.parts import Part

FISHER_ROWS = 256
"""Rows that a task embedding is taken over: a mean over batches, which settles early."""

MAX_UNITS = 5000
"""Vectors of one task that a score reads, evenly spread: a thousand sentences have twenty thousand words."""


@dataclass(frozen=True)
class Budget:
    """How much the scores may read and train.

    Attributes:
        examples: rows of a task that are embedded; None = all.
        shots, steps: target examples of ``few_shot``, optimiser steps of ``few_shot`` and ``task_emb``.
    """

    examples: int | None = 1000
    shots: int = 64
    steps: int = 30


@dataclass
class TaskData:
    """What the scores read: rows, the base, checkpoints; read and embedded once.

    Args:
        singles: by candidate, the phase that trains on it alone.
        targets: by target, the phase that fine-tunes on it; None for targets without labelled training rows
            (retrieval).
        start: what both start from.
        runs: by candidate, the finished run of its phase; empty if a score must do without.
    """

    executor: Executor
    singles: Mapping[str, Phase]
    targets: Mapping[str, Phase | None]
    tasks: Mapping[str, Task]
    start: StartModel
    budget: Budget = field(default_factory=Budget)
    runs: Mapping[str, str] = field(default_factory=dict)
    _parts: dict[str, Part] = field(default_factory=dict)
    _folders: dict[str, Path] = field(default_factory=dict)
    _features: dict[tuple[Path, str], Features] = field(default_factory=dict)
    _probes: dict[str, np.ndarray] = field(default_factory=dict)
    _embeddings: dict[str, dict[str, np.ndarray]] = field(default_factory=dict)

    def phase(self, name: str) -> Phase:
        phase = self.singles.get(name) or self.targets.get(name)
        if phase is None:
            raise XferError(
                f"Target {name!r} has no labelled training rows.",
                "Only size, kind and english say something about it.",
            )
        return phase

    def part(self, name: str) -> Part:
        """Training rows (at most ``budget.examples``) and dev rows of a candidate or target."""
        if name not in self._parts:
            from mlflow_xfer.phases.train import task_part

            phase = self.phase(name)
            part = task_part(phase, phase.tasks[0])
            few = {
                language: sources.subset(split, self.budget.examples, phase.seed)
                for language, split in part.dev.items()
            }
            self._parts[name] = replace(
                part, train=sources.subset(part.train, self.budget.examples, phase.seed), dev=few
            )
        return self._parts[name]

    def base(self) -> Path:
        """The folder of the model that everything starts from;
        made first if it is a phase that does not exist.
        """
        start = self.start
        if isinstance(start, BaseModel):
            return Path(start.path)
        return self._fetched(self.executor.ensure(start).run_id if isinstance(start, Phase) else start.run_id)

    def checkpoint(self, candidate: str) -> Path:
        return self._fetched(self.runs[candidate])

    def _fetched(self, run_id: str) -> Path:
        if run_id not in self._folders:
            self._folders[run_id] = whole.at_hand(self.executor.store, run_id)
        return self._folders[run_id]

    def features(self, model: Path, name: str) -> Features:
        if (model, name) not in self._features:
            from mlflow_xfer.training.features import features

            phase, part = self.phase(name), self.part(name)
            rows = part.train if name in self.singles else self._labelled(part)
            vectors = features(
                model,
                [(part.task, rows)],
                max_seq_length=phase.training.max_seq_length,
                precision=phase.training.precision,
            )[part.task.name]
            if len(vectors.labels) > MAX_UNITS:
                kept = np.linspace(0, len(vectors.labels) - 1, MAX_UNITS).round().astype(int)
                vectors = replace(vectors, vectors=vectors.vectors[kept], labels=vectors.labels[kept])
            self._features[model, name] = vectors
        return self._features[model, name]

    def labelled(self, model: Path, name: str) -> Features:
        """As :meth:`features`; raises :class:`XferError` where the labels tell nothing apart."""
        vectors = self.features(model, name)
        if len(np.unique(vectors.labels)) < 2:
            raise XferError(
                f"Task {name!r}: all {len(vectors.labels)} labels that were read are the same.",
                "logme and h_score need two classes: raise max_examples, or choose other methods.",
            )
        return vectors

    def _labelled(self, part: Part) -> Any:
        """All English labels that a target has:
        a target with few training rows often has more for selection.
        """
        from datasets import concatenate_datasets

        return sources.subset(concatenate_datasets([part.train, *part.dev.values()]), self.budget.examples, 0)

    def probe(self, candidate: str) -> np.ndarray:
        """What reads the candidate's labels out of the base, [hidden, classes]."""
        if candidate not in self._probes:
            seen = self.labelled(self.base(), candidate)
            self._probes[candidate] = probe(seen.vectors, seen.labels)
        return self._probes[candidate]

    def embedding(self, name: str) -> dict[str, np.ndarray]:
        """TaskEmb of a candidate or target, after ``budget.steps`` steps from the base."""
        if name not in self._embeddings:
            from mlflow_xfer.training.fisher import task_embedding

            phase, part = self.phase(name), self.part(name)
            with tempfile.TemporaryDirectory() as folder:
                tuned = self.trained(self.base(), replace(part, dev={}), phase, folder).directory
                self._embeddings[name] = task_embedding(
                    tuned,
                    part.task,
                    sources.subset(part.train, FISHER_ROWS, phase.seed),
                    max_seq_length=phase.training.max_seq_length,
                )
        return self._embeddings[name]

    def trained(self, start: Path, part: Part, phase: Phase, folder: str):
        """The outcome of ``budget.steps`` steps on ``part`` with the settings of ``phase``."""
        from mlflow_xfer.training.trainer import train

        short = {"max_steps": self.budget.steps, "evaluations": 1, "select_by": "last"}
        settings = phase.training.model_copy(update=short)
        assert phase.seed is not None, "a training has a seed"
        runtime = self.executor.runtime.model_copy(update={"save_every_s": 1e9, "save_every_steps": 0})
        return train(start, [part], None, settings, Path(folder) / "work", seed=phase.seed, runtime=runtime)
