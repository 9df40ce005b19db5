"""What ``auto`` means: training parameters resolved against the recipes of the tasks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mlflow_xfer.models.trainable import WIDER
from mlflow_xfer.params.declare import parameters
from mlflow_xfer.params.settings import Adapters, Recipe, meant

# Not checked: as it stands here, 1 and not 1.0, the number is part of the hashes of finished phases.
CONTINUED = Recipe.model_construct(
    learning_rate=5e-5, num_train_epochs=1, train_batch_size=64, max_seq_length=256, warmup_ratio=0.06
)
"""More language modelling from a checkpoint (Gururangan et al. 2020 use 1e-4 with batches of 2,048)."""

FROM_NOTHING = Recipe.model_construct(
    learning_rate=1.5e-3, num_train_epochs=4, train_batch_size=64, max_seq_length=128, warmup_ratio=0.06
)
"""From random weights at the sizes that ``scratch:`` names."""


def resolved(asked: Mapping[str, Any], recipes: Sequence[Recipe]) -> dict[str, Any]:
    """Resolved settings of a training; several tasks share the gentlest rate and the longest inputs.

    A learning rate that destroys alignment for one task of a mixture destroys it for all, hence the minimum:
    each setting of a recipe says how it is shared. Where few weights are trained it grows (:data:`WIDER`).
    What the way to train has no use for is left out. Asking for what is so anyway makes no other phase: a
    number that is the recipe's is written as there, and epochs that steps overrule are the recipe's.
    """
    shared = {
        name: declared.facts.joint([getattr(recipe, name) for recipe in recipes])
        for name, declared in parameters(Recipe).items()
    }
    if "num_train_epochs" in asked and "max_steps" not in asked:
        shared["max_steps"] = 0  # epochs asked for by the user win over a recipe's steps
    shared["learning_rate"] *= WIDER.get(asked.get("trainable", "all"), 1)
    by_steps = asked.get("max_steps", shared["max_steps"])
    return shared | {
        name: value
        for name, value in asked.items()
        if (name not in Adapters.model_fields or meant(name, asked, Adapters))
        and not (name in shared and value == shared[name])
        and not (name == "num_train_epochs" and by_steps)
    }
