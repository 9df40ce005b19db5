"""The data that a training reads, and what comes out of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlflow_xfer.errors import TRY_AGAIN, XferError
from mlflow_xfer.tasks.task import Task


@dataclass(frozen=True)
class Part:
    """One task's data in a training.

    Attributes:
        task: a task with labels.
        train: a ``datasets.Dataset``.
        dev: by language, what checkpoints are scored on; empty = nothing.
        selection: by language, rows that select the checkpoint with ``label_free`` (labels
            are not read) or ``oracle``.
        selection_task: the task of ``selection``, where it is another one of the same kind.
    """

    task: Task
    train: Any
    dev: Mapping[str, Any] = field(default_factory=dict)
    selection: Mapping[str, Any] = field(default_factory=dict)
    selection_task: Task | None = None

    @property
    def name(self) -> str:
        return self.task.name


@dataclass(frozen=True)
class LanguageModelPart:
    """Raw text in a training: encoders predict masked tokens of it, decoders the next ones.

    Attributes:
        train: by language, a ``datasets.Dataset``.
        dev: by language, what the loss is measured on; empty = nothing.
    """

    train: Mapping[str, Any]
    dev: Mapping[str, Any] = field(default_factory=dict)

    name = "lm"


@dataclass(frozen=True)
class TrainingResult:
    """A finished training.

    Attributes:
        directory: the checkpoint to publish (``models/checkpoint.py`` says what is in it).
        steps, tokens: optimiser steps, and tokens read in them (padding not counted).
        metrics: ``dev/<task>/<language>`` of the selected checkpoint (0-100, losses as they are),
            ``train/loss`` of the last steps, ``encoded/…`` counts.
        selected_step: after which step the published weights were taken (the last, for an average).
        collapsed: whether the model does no better on dev than always giving the commonest answer.
    """

    directory: Path
    steps: int
    tokens: int
    metrics: Mapping[str, float]
    selected_step: int
    collapsed: bool


class NotFinite(XferError):
    """A loss, a figure or weights that are not finite: nothing of them is worth keeping."""


class Displaced(XferError):
    """Another process trains in this one's folder by now, which stood still for too long (exit code 75)."""

    def __init__(self) -> None:
        super().__init__(
            "Another worker goes on with this training, because this one had not been heard of for too long.",
            exit_code=TRY_AGAIN,
        )


class Interrupted(XferError):
    """Training stopped on a signal, after a checkpoint: the same command goes on from there."""

    def __init__(self, step: int, exit_code: int = TRY_AGAIN):
        self.step = step
        super().__init__(
            f"Interrupted after step {step}; its state is saved.",
            "Run the same command again to go on.",
            exit_code,
        )
