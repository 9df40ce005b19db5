"""What cannot train: refused before a model is loaded, or before its first step."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from mlflow_xfer.errors import XferError
from mlflow_xfer.models import limits
from mlflow_xfer.params.settings import BY_LANGUAGES, RuntimeOptions, TrainingSettings
from mlflow_xfer.tasks.task import Mixture
from mlflow_xfer.training.parts import LanguageModelPart, Part


def check(
    parts: Sequence[Part | LanguageModelPart], mixture: Mixture | None, settings: TrainingSettings
) -> None:
    """Raise :class:`XferError` for parts and settings that do not make a training."""
    if not parts:
        raise XferError("Nothing to train on.")
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise XferError(
            "A command starts its processes itself; WORLD_SIZE says that it is one of several.",
            "Start it without torchrun; processes=N trains a phase on N GPUs.",
        )
    tasks = [part for part in parts if isinstance(part, Part)]
    lms = [part for part in parts if isinstance(part, LanguageModelPart)]
    if len(lms) > 1:
        raise XferError("More than one language model in a training.")
    names = [part.name for part in tasks]
    if len(set(names)) < len(names):
        raise XferError(f"A task stands twice in one training: {', '.join(names)}.")
    for part in tasks:
        if not len(part.train):
            raise XferError(f"Task {part.name!r} has no training examples.")
    for lm in lms:
        if not sum(map(len, lm.train.values())):
            raise XferError("There is no text to train the language model on.")
        if lm.dev and lm.name in names:
            raise XferError(
                f"Dev scores of task {lm.name!r} and of the language model would have one name.",
                "Rename the task.",
            )
    if mixture is not None:
        missing = set(mixture.tasks) ^ set(names)
        if missing:
            raise XferError(f"The mixture and the data name different tasks: {', '.join(sorted(missing))}.")
        if bool(mixture.mlm_share) != bool(lms) and len(parts) > 1:
            raise XferError(
                f"mlm_share={mixture.mlm_share}, but there is {'no' if mixture.mlm_share else 'a'} "
                "language-model part."
            )
    if settings.select_by in BY_LANGUAGES and not any(part.selection for part in tasks):
        raise XferError(
            f"select_by={settings.select_by} needs dev rows of the languages that it selects for."
        )
    if settings.train_batch_size < 1 or settings.learning_rate <= 0:
        raise XferError("train_batch_size and learning_rate must be above 0.")


def check_spread(settings: TrainingSettings, runtime: RuntimeOptions) -> None:
    """Raise :class:`XferError` for settings that several processes cannot train together."""
    if runtime.processes == 1:
        return
    if settings.train_batch_size < runtime.processes:
        raise XferError(
            f"processes={runtime.processes}, but a batch has {settings.train_batch_size} rows; each process "
            "takes at least one.",
            "Use fewer processes or a larger train_batch_size (another training).",
        )
    if runtime.parallel == "fsdp":
        for name, value, why in (
            ("quantize", "nf4", "weights in 4 bits"),
            ("optimizer", "adamw8bit", "moments in 8 bits"),
            ("optimizer", "paged_adamw8bit", "moments in 8 bits"),
            ("precision", "fp16", "gradients that are scaled"),
        ):
            if getattr(settings, name) == value:
                raise XferError(
                    f"parallel=fsdp does not divide {why} ({name}={value}).",
                    f"Use parallel=ddp, or another {name}.",
                )


def check_fits(config: Any, tokenizer: Any, max_seq_length: int) -> None:
    """Raise :class:`XferError` for rows or a tokenizer that a model with ``config`` cannot read."""
    limits.check_length(max_seq_length, limits.longest(config.to_dict()))
    limits.check_vocabulary(config, tokenizer)
