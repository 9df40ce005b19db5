"""The checked scores of a study, and of them what a contrast is about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from mlflow_xfer.errors import XferError
from mlflow_xfer.stats.frame import Cells, cells, unit_weights
from mlflow_xfer.studies.study import Contrast
from mlflow_xfer.studies.tables import shared

COLUMNS = ["condition", "task", "language", "base_seed", "seed", "score", "n"]


@dataclass(frozen=True)
class Scores:
    """Checked scores, and the blocks of their conditions, each read once; with ``gaps`` not all arms have all
    targets and seeds."""

    frame: pd.DataFrame
    read: dict[str, Cells] = field(default_factory=dict)
    gaps: bool = False

    def without_gaps(self, one: Contrast) -> tuple[Scores, str]:
        """What all arms of a contrast have, and in words what is left out."""
        arms = sorted(one.weights, key=lambda name: one.weights[name] < 0)  # the one that is subtracted last
        rows, note = shared(self.rows(one), arms, every=one.kind != "best")
        return Scores(rows), note

    def blocks(self, one: Contrast, targets: Sequence[str] = ()) -> dict[str, Cells]:
        """Of each arm of a contrast the scores on these targets; none: on all."""
        found = {}
        for name in one.weights:
            if name not in self.read:
                self.read[name] = cells(self.frame, name)
            block = self.read[name]
            spoken = one.languages
            keep = np.array(
                [
                    (not targets or task in targets) and (not spoken or code in spoken)
                    for task, code in block.units
                ]
            )
            if not keep.any():
                raise XferError(f"{name} has no scores on {', '.join((*targets, *spoken))}.")
            found[name] = block if keep.all() else block.select(keep)
        return found

    def rows(self, one: Contrast) -> pd.DataFrame:
        """The rows that a contrast is about."""
        rows = self.frame[self.frame["condition"].isin(list(one.weights))]
        rows = rows[rows["language"].isin(one.languages)] if one.languages else rows
        return rows[rows["task"].isin(one.targets)] if one.targets else rows


def ordered(block: Cells, units: Sequence[tuple[str, str]]) -> Cells:
    """The block with these units, in this order."""
    places = [block.units.index(unit) for unit in units]
    chosen = tuple(units)
    return replace(block, values=block.values[..., places], units=chosen, weights=unit_weights(chosen))
