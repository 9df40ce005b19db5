"""What must hold for the rows of a split before anything is trained on them or scored with them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlflow_xfer.errors import XferError, few
from mlflow_xfer.lines import Malformed, Unscored
from mlflow_xfer.tasks.task import Task

MAX_PROBLEMS = 10  # shown of one split; more are counted
CONSTANT_FROM = 8  # rows from which equal labels are no accident


@dataclass
class Tally:
    """What was seen of a split while it was read, and the faults found."""

    rows: int = 0
    unlabelled: int = 0
    first_unlabelled: str = ""  # its place, and the columns there are where that of the label is none of them
    labels: Counter = field(default_factory=Counter)
    found: list[XferError] = field(default_factory=list)
    more: int = 0
    left: int = 0  # rows that ``where``, ids, ``drop`` or the share of a validation split leave out
    first_left: Any = None  # the first of them

    def count(self, row: dict[str, Any], labels: str) -> None:
        """Count a good row; ``labels`` is the column that holds its label or labels, if there is one."""
        self.rows += 1
        if labels:
            self.labels.update(row[labels] if isinstance(row[labels], list) else [row[labels]])

    def bad(self, path: Path | str, line: int, why: str) -> None:
        """Record a row that cannot be read."""
        if len(self.found) < MAX_PROBLEMS:
            self.found.append(Malformed(f"{path}:{line}: {why}."))
        else:
            self.more += 1

    def leave(self, raw: Any) -> None:
        """Count a row that is not asked for."""
        self.first_left = raw if not self.left else self.first_left
        self.left += 1

    def no_label(self, path: Path | str, line: int, columns: str) -> None:
        """Count a row without a label; ``columns`` names those that it has, if the label's is not there."""
        self.unlabelled += 1
        self.first_unlabelled = self.first_unlabelled or f"{path}:{line}{columns}"

    def problems(self, task: Task, split: str, language: str, where: str) -> list[XferError]:
        """All faults of the split, once it was read."""
        what = f"Task {task.name!r}, {split} split, {language} ({where})"
        problems = list(self.found)
        if self.more:
            problems.append(Malformed(f"{where}: {self.more} more rows like these."))
        if self.unlabelled:
            problems.append(self._unlabelled(what, split))
        elif not self.rows and not problems:
            left = (
                f" without the {self.left:,} rows that where, ids, drop or validation_fraction leave out"
                f"{columns_of(self.first_left)}"
            )
            problems.append(
                XferError(f"{what} is empty{left if self.left else ''}.", "A split needs at least one row.")
            )
        elif (
            split == "test"
            and len(self.labels) == 1
            and self.rows >= CONSTANT_FROM
            and len(task.labels) != 1
            and not problems
        ):
            only = next(iter(self.labels))
            problems.append(
                Unscored(
                    f"{what}: all {self.rows} rows have the label {only!r}: a placeholder, not gold labels.",
                    (
                        "A score against it would mean nothing. Public test sets often hide their labels; "
                        "use a labelled copy."
                    ),
                )
            )
        return problems

    def _unlabelled(self, what: str, split: str) -> XferError:
        place, _, columns = self.first_unlabelled.partition("; ")
        if not self.rows:
            if columns:
                return Unscored(f"{what}: no row has a label: the column is not there; {columns}.")
            strip = "Scripts such as XTREME's strip test labels; use a labelled copy."
            return Unscored(
                f"{what}: no row has a label.", strip if split == "test" else f"The first is {place}."
            )
        return Malformed(
            f"{what}: {self.unlabelled} of {self.rows + self.unlabelled} rows have no label, "
            f"the first is {place}.",
            "Every row needs one.",
        )


def columns_of(raw: Any) -> str:
    """Which columns a raw row has, for a message that says which one it lacks."""
    if isinstance(raw, Mapping):
        return f"; its columns are: {few(raw) or 'none'}{odd_columns([name for name in raw if name != 'id'])}"
    return f"; its columns are 0 to {len(raw) - 1}" if isinstance(raw, list) else ""


def odd_columns(names: list[Any]) -> str:
    """What such names of columns, or inside of a cell, show of a file."""
    if len(names) > 1 and all(str(name) == str(number) for number, name in enumerate(names)):
        return (
            " (numbers of rows, as pandas' to_json() writes a table column by column; by row: "
            'orient="records", lines=True, as .jsonl)'
        )
    if len(names) == 1 and any(mark in str(names[0]) for mark in ",;\t"):
        return " (a single one: something else separates the fields than its format says)"
    return ""
