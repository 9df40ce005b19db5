"""What ``auto`` means: training parameters resolved against the recipes of the tasks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mlflow_xfer.params import Training
from mlflow_xfer.tasks.task import Recipe, Task

CONTINUED = Recipe(
    learning_rate=5e-5, num_train_epochs=1, train_batch_size=64, max_seq_length=256, warmup_ratio=0.06
)
"""More language modelling from a checkpoint (Gururangan et al. 2020 use 1e-4 with batches of 2,048)."""

FROM_NOTHING = Recipe(
    learning_rate=1.5e-3, num_train_epochs=4, train_batch_size=64, max_seq_length=128, warmup_ratio=0.06
)
"""From random weights at the sizes that ``scratch:`` names."""


def training_settings(asked: Training, recipes: Sequence[Recipe]) -> dict[str, Any]:
    """Resolved settings of a training phase; several tasks share the gentlest rate and the longest inputs.

    A learning rate that destroys alignment for one task of a mixture destroys it for all, hence the minimum.
    """
    recipe = Recipe(
        learning_rate=min(r.learning_rate for r in recipes),
        num_train_epochs=max(r.num_train_epochs for r in recipes),
        max_steps=sum(r.max_steps for r in recipes),
        train_batch_size=max(r.train_batch_size for r in recipes),
        max_seq_length=max(r.max_seq_length for r in recipes),
        warmup_ratio=max(r.warmup_ratio for r in recipes),
        weight_decay=max(r.weight_decay for r in recipes),
    )
    chosen = {
        name: getattr(recipe, name) if getattr(asked, name, "auto") == "auto" else getattr(asked, name)
        for name in vars(recipe)
    }
    if asked.max_steps == "auto" and asked.num_train_epochs != "auto":
        chosen["max_steps"] = 0  # epochs asked for by the user win over a recipe's steps
    return chosen | {"precision": asked.precision, "max_train_examples": asked.max_train_examples}


def recipes_of(tasks: Sequence[Task]) -> list[Recipe]:
    return [task.recipe for task in tasks]
