"""What a training needs to know, and what comes out of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from mlflow_xfer.errors import TRY_AGAIN, XferError
from mlflow_xfer.tasks.task import Task

BY_LANGUAGES = ("label_free", "oracle")
"""Ways to select that read dev rows of the evaluated languages: without their labels, or with them."""

BY_SCORE = ("english_dev", *BY_LANGUAGES)


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
class Settings:
    """Settings that affect the result of a training.

    ``max_steps`` 0 = by epochs. ``dropout`` None = the model's own (language models from nothing train best
    with 0). ``evaluations`` is how often dev is scored at most. ``select_by``: ``english_dev`` (the best by
    English dev, by all dev languages where there is no English), ``last``, ``average`` (mean of the weights
    at epoch ends), ``label_free`` (see ``training/label_free.py``) or ``oracle`` (the best by dev labels of
    the languages of ``Part.selection``).
    """

    learning_rate: float = 2e-5
    num_train_epochs: float = 3.0
    max_steps: int = 0
    train_batch_size: int = 32
    max_seq_length: int = 128
    warmup_ratio: float = 0.1
    weight_decay: float = 0.01
    max_grad_norm: float = 1.0
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    select_by: Literal["english_dev", "last", "average", "label_free", "oracle"] = "english_dev"
    seed: int = 0
    dropout: float | None = None
    mlm_probability: float = 0.15
    alpha: float = 0.3
    evaluations: int = 10


@dataclass(frozen=True)
class Placement:
    """Settings that do not affect the result: how it is computed and how often it is saved.

    Attributes:
        device: ``auto``, ``cpu`` or ``cuda``.
        save_every_s: seconds between checkpoints for resuming (more where writing one takes long).
        save_every_steps: steps between them instead; 0 = by time.
        micro_batch: largest number of rows computed at once; 0 = the whole batch.
        compile: whether layers are compiled first (half a minute; pays for itself in long GPU runs).
    """

    device: str = "auto"
    save_every_s: float = 60.0
    save_every_steps: int = 0
    micro_batch: int = 0
    compile: bool = False


@dataclass(frozen=True)
class Outcome:
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


class Interrupted(XferError):
    """Training stopped on a signal, after a checkpoint: the same command goes on from there."""

    def __init__(self, step: int, exit_code: int = TRY_AGAIN):
        super().__init__(
            f"Interrupted after step {step}; its state is saved.",
            "Run the same command again to go on.",
            exit_code,
        )
