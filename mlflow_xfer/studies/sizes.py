"""An effect over model sizes: the model is the unit, so that a slope takes at least five of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import pandas as pd

from mlflow_xfer.stats.estimate import Estimate
from mlflow_xfer.stats.interaction import size_slope
from mlflow_xfer.studies.scores import check_alike
from mlflow_xfer.studies.study import SIZE, Contrast, Study

if TYPE_CHECKING:
    from mlflow_xfer.stats.blocks import Cells

FEWEST = 5


def sizes_of(study: Study, one: Contrast) -> dict[str, float]:
    """Of each arm of the contrast its number of parameters, where one is declared."""
    facts = {arm.name: arm.facts for arm in study.arms}
    return {name: facts[name][SIZE] for name in one.weights if SIZE in facts.get(name, {})}


def over_sizes(
    study: Study, one: Contrast, blocks: Mapping[str, Cells], level: float
) -> tuple[Estimate, pd.DataFrame]:
    """The slope of the weighted sum of each size over log10 of its parameters, and the sums.

    Raises:
        XferError: fewer than five sizes, or arms that are not scored on the same.
    """
    check_alike(blocks, one.weights)
    effects: dict[float, float] = {}
    for name, size in sizes_of(study, one).items():
        block = blocks[name]
        mean = float((block.values * block.weights).sum(-1).mean())
        effects[size] = effects.get(size, 0.0) + one.weights[name] * mean
    table = pd.DataFrame(sorted(effects.items()), columns=[SIZE, "effect"])
    return size_slope(effects, level), table
