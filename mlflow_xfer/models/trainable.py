"""What of a model may be trained: checked before any weight is read."""

from __future__ import annotations

import json
import logging
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from mlflow_xfer.errors import XferError
from mlflow_xfer.params.settings import TrainingSettings

# Trainer imports peft, which imports bitsandbytes, which says what fast kernels a CPU lacks.
logging.getLogger("bitsandbytes").setLevel(logging.ERROR)

ADAPTER = "adapter"
"""Folder of a checkpoint with the adapter that its weights hold merged, as peft reads it."""

CONFIG, WEIGHTS, BASE = "adapter_config.json", "adapter_model.safetensors", "base.json"
NO_TEXT = "trainable=prompt trains no language model: a prompt is read before the texts of tasks."
KEEPS_LM_HEAD = ("lora", "norms")
"""Ways to train in which a language model's head stays as the checkpoint has it."""

SHAPE = {"lora": ("lora_rank", "lora_alpha", "lora_layers"), "prompt": ("prompt_length",)}
"""By way to train, settings that an adapter or prompt and its continuation share."""

WIDER = {"lora": 10.0, "norms": 10.0, "head": 50.0, "prompt": 100.0}
"""By how much the learning rate of a recipe, which is one for all weights, grows where few are trained."""


def check(settings: TrainingSettings) -> None:
    """Raise :class:`XferError` for settings that do not go together, or packages that they need."""
    if settings.trainable != "lora" and settings.quantize != "none":
        raise XferError(
            f"quantize={settings.quantize} freezes weights that trainable={settings.trainable} would train.",
            "Use trainable=lora, or quantize=none.",
        )
    if settings.trainable == "prompt" and settings.mlm_share:
        raise XferError(NO_TEXT, "Use mlm_share=0, or another trainable.")
    needed = (
        ("peft", "trainable=lora", settings.trainable == "lora"),
        ("bitsandbytes", "quantize=nf4", settings.quantize == "nf4"),
        ("bitsandbytes", f"optimizer={settings.optimizer}", settings.optimizer != "adamw"),
    )
    for package, asked, is_asked in needed:
        if is_asked and find_spec(package) is None:
            raise XferError(
                f"{asked} needs {package}, which is not installed.", "pip install 'mlflow-xfer[peft]'"
            )


def check_start(settings: TrainingSettings, start: Path) -> None:
    """Raise :class:`XferError` where the adapter of the checkpoint at ``start`` is to be trained on, and it
    has none of this shape."""
    if not continues(settings):
        return
    if settings.trainable == "prompt":
        from mlflow_xfer.models.prompt import saved

        saved(start, settings.prompt_length)
        return
    file = start / ADAPTER / CONFIG
    if not file.is_file():
        raise XferError(
            f"start_adapter=continue, but {start} has no adapter.",
            "Start from a checkpoint of a phase with trainable=lora, or use start_adapter=merge.",
        )
    held = json.loads(file.read_text(encoding="utf-8"))
    wanted = {"lora_rank": settings.lora_rank, "lora_alpha": settings.lora_alpha}
    found = {"lora_rank": held["r"], "lora_alpha": held["lora_alpha"]}
    differ = [
        f"{name} {found[name]:g}, not {wanted[name]:g}" for name in wanted if found[name] != wanted[name]
    ]
    if differ:
        raise XferError(
            f"start_adapter=continue, but the adapter at {start} has {' and '.join(differ)}.",
            "Give the settings that it was trained with, or use start_adapter=merge.",
        )


def continues(settings: Any) -> bool:
    """Whether a training goes on with the adapter or prompt that it finds."""
    return settings.trainable in SHAPE and settings.start_adapter == "continue"
