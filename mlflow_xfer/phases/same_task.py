"""Intermediate tasks that are the target's own: by what their entries say, or by the rows themselves.

Such a transfer measures more training on the target, not the help of another task: it is shown as
``same task``, outside averages, contrasts and searches.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mlflow_xfer.data import unseen
from mlflow_xfer.data.overlap import Overlap
from mlflow_xfer.data.rows import Rows
from mlflow_xfer.tasks.task import Task

STATUS = "same task"
TAG = "xfer.same_task"
MOST = 0.5
"""More than this share of the target's training or dev rows, or of the intermediate task's own rows."""
SPLITS = {"train": "training", "validation": "dev"}


@dataclass(frozen=True)
class SameTask:
    """An intermediate task that is the target's own.

    Attributes:
        training, target: names of the tasks.
        trained: the task whose rows the target is trained on.
        related: their entries say that they are trained on the same rows.
        measured: by split of the target, what their rows share, where they were compared.
    """

    training: str
    target: str
    trained: str
    related: bool
    measured: Mapping[str, Overlap]

    status = STATUS

    def __str__(self) -> str:
        own = "" if self.trained == self.target else f" trained on {self.trained}"
        said = ["It is what the target is trained on, or has its training rows."] if self.related else []
        said += [
            f"{one.touched:,} of {one.of:,} {SPLITS[split]} rows of {self.trained} are among its "
            f"{one.among:,} ({one.touched / one.of:.1%})."
            for split, one in self.measured.items()
        ]
        apart = "Shown apart, outside averages, contrasts and searches."
        return f"{self.training} → {self.target}{own}: same task. {' '.join([*said, apart])}"

    def as_dict(self) -> dict[str, Any]:
        measured = {
            split: {"rows": one.touched, "of": one.of, "training_rows": len(one.exact), "among": one.among}
            for split, one in self.measured.items()
        }
        return {
            "training": self.training,
            "target": self.target,
            "split": STATUS,
            "related": self.related,
            "measured": measured,
        }


def related(training: Task, trained: Task) -> bool:
    """Whether the entries say that both are trained on the same rows."""
    return (training.family or training.name) == (trained.family or trained.name)


def find(
    training: Task,
    rows: Sequence[Rows],
    target: str,
    trained: Task,
    own: Sequence[Rows],
    measure: bool | None = True,
) -> SameTask | None:
    """How the intermediate task ``training`` is the own task of ``target``; None if it is another one.

    Args:
        rows: what is trained on before the target.
        trained, own: the task that the target is trained on, with its training and dev rows.
        measure: compare the rows; False: only what was measured before; None: only what the entries say.

    Raises:
        XferError: rows that cannot be read.
    """
    found: dict[str, Overlap] = {}
    for split in SPLITS:
        mine = [one for one in own if one.split == split and one.provider != "mini"]
        for one in (one for one in rows if one.provider != "mini" and mine and measure is not None):
            compare = unseen.measured if measure else unseen.known
            for overlap in (compare(training, one, trained, mine[:1], True) or {}).values():
                if split not in found or overlap.touched > found[split].touched:
                    found[split] = overlap
    told = {split: one for split, one in found.items() if one.exact}
    if related(training, trained) or any(map(_most, told.values())):
        return SameTask(training.name, target, trained.name, related(training, trained), told)
    return None


def _most(overlap: Overlap) -> bool:
    return overlap.touched > MOST * overlap.of or len(overlap.exact) > MOST * overlap.among


def names(found: Sequence[Any]) -> str:
    """The intermediate tasks among findings that are the target's own, as a table of scores names them."""
    return "+".join(dict.fromkeys(one.training for one in found if isinstance(one, SameTask)))
