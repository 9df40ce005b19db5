"""The checked scores of a study, and of them what a contrast is about."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from mlflow_xfer.errors import XferError
from mlflow_xfer.reporting.same_task import marked
from mlflow_xfer.stats.blocks import Cells, cells, unit_weights
from mlflow_xfer.stats.means import paired
from mlflow_xfer.studies.study import Contrast
from mlflow_xfer.studies.tables import shared
from mlflow_xfer.tracking import results

COLUMNS = [*results.COLUMNS[: results.COLUMNS.index("metric") + 1], results.SAME_TASK]


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

    def without_own(self, one: Contrast) -> tuple[Contrast, Scores, str]:
        """A contrast and its scores without targets that are the own task of one of its arms, and in words
        which are left out; the best arm of a target is chosen from the others.

        Raises:
            XferError: no target is left.
        """
        pairs, about = list(zip(one.targets, one.less, strict=False)), {*one.targets, *one.less}
        mine = {
            task: name
            for name, task in own_cells(self.frame)
            if name in one.weights and (not about or task in about)
        }
        if not mine:
            return one, self, ""
        said = ", ".join(f"{task} (of {name})" for task, name in mine.items())
        if one.kind == "best":
            rest = Scores(without_own_cells(self.frame), gaps=self.gaps)
            return one, rest, f"not chosen where the task is an arm's own: {said}"
        rest = self.frame[~self.frame["task"].isin(mine)]
        kept = [pair for pair in pairs if not mine.keys() & {*pair}]
        targets = tuple(task for task in one.targets if task not in mine)
        if pairs:
            targets, rest = tuple(task for task, _ in kept), self.frame
        left = replace(one, targets=targets, less=tuple(less for _, less in kept))
        if one.targets and not targets or rest.empty:
            raise XferError(f"{one.name}: every target is an arm's own task: {said}.")
        return left, Scores(rest, gaps=self.gaps), f"without targets that are an arm's own task: {said}"

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


def check_alike(blocks: Mapping[str, Cells], names: Iterable[str]) -> None:
    """Refuse to set arms beside each other that are not scored on the same.

    Raises:
        XferError: two of them, by name.
    """
    first, *others = dict.fromkeys(names)
    for name in others:
        if not paired(blocks[first], blocks[name]):
            raise XferError(
                f"{first!r} and {name!r} differ in seeds, base seeds, targets or languages.",
                "Give all arms of a curve or contrast the same.",
            )


def gained(blocks: Mapping[str, Cells], first: str, second: str) -> Cells:
    """What ``second`` scores beyond ``first``; raises as :func:`check_alike`."""
    check_alike(blocks, (first, second))
    return replace(blocks[second], values=blocks[second].values - blocks[first].values)


def own_cells(frame: pd.DataFrame) -> list[tuple[str, str]]:
    """The conditions with the targets whose own task they were trained on before."""
    if results.SAME_TASK not in frame:
        return []
    cells_ = frame.loc[marked(frame[results.SAME_TASK]), ["condition", "task"]].drop_duplicates().astype(str)
    return list(cells_.itertuples(index=False, name=None))


def without_own_cells(frame: pd.DataFrame) -> pd.DataFrame:
    """The scores without those of a condition on a target whose own task it was trained on before."""
    own = own_cells(frame)
    return frame[~pd.MultiIndex.from_frame(frame[["condition", "task"]]).isin(own)] if own else frame


def without_own_targets(frame: pd.DataFrame) -> pd.DataFrame:
    """The scores on targets that are no condition's own task."""
    return frame[~frame["task"].isin({task for _, task in own_cells(frame)})]


def side(block: Cells, tasks: Sequence[str], names: Sequence[str]) -> Cells:
    """The block on these targets, which may be named more than once, each under a name of its own."""
    found = [
        (place, (name, code))
        for task, name in zip(tasks, names, strict=True)
        for place, (of, code) in enumerate(block.units)
        if of == task
    ]
    places, units = [place for place, _ in found], tuple(unit for _, unit in found)
    return replace(block, values=block.values[..., places], units=units, weights=unit_weights(units))


def ordered(block: Cells, units: Sequence[tuple[str, str]]) -> Cells:
    """The block with these units, in this order."""
    places = [block.units.index(unit) for unit in units]
    chosen = tuple(units)
    return replace(block, values=block.values[..., places], units=chosen, weights=unit_weights(chosen))
