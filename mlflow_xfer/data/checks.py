"""What must hold for the rows of a split before anything is trained on them or scored with them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlflow_xfer.errors import XferError, few
from mlflow_xfer.lines import Malformed, Unscored
from mlflow_xfer.tasks.task import Task

MAX_PROBLEMS = 10  # shown of one split; more are counted
MAX_ALIKE = 3  # shown of one file of those with one cause, and of different messages; more are counted
SAID = re.compile(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|[0-9]+""")
"""What a message quotes of a row."""
CONSTANT_FROM = 8  # rows from which equal labels are no accident


@dataclass
class Cause:
    """What is wrong with rows of one file: the first one's line, how many they are, the messages that are
    shown, and where the last of these stands among all that was found."""

    line: int
    rows: int = 0
    shown: list[str] = field(default_factory=list)
    place: int = 0


@dataclass
class Tally:
    """What was seen of a split while it was read, and the faults found."""

    rows: int = 0
    unlabelled: int = 0
    first_unlabelled: str = ""  # its place, and the columns there are where that of the label is none of them
    labels: Counter = field(default_factory=Counter)
    found: list[XferError] = field(default_factory=list)
    more: int = 0
    names: str = ""  # what to do about a file whose first line turns out to be one of names
    causes: dict[tuple[str, str], Cause] = field(default_factory=dict)  # by file and message
    left: int = 0  # rows that ``where``, ids, ``drop`` or the share of a validation split leave out
    first_left: Any = None  # the first of them

    def count(self, row: dict[str, Any], labels: str) -> None:
        """Count a good row; ``labels`` is the column that holds its label or labels, if there is one."""
        self.rows += 1
        if labels:
            self.labels.update(row[labels] if isinstance(row[labels], list) else [row[labels]])

    def bad(self, path: Path | str, line: int, why: str) -> None:
        """Record a row that cannot be read."""
        key = str(path), SAID.sub("", why)
        cause = self.causes.get(key)
        if cause is None and len(self.found) < MAX_PROBLEMS:
            cause = self.causes[key] = Cause(line)
        if cause is None:
            self.more += 1
            return
        cause.rows += 1
        other = why not in cause.shown and len({*cause.shown}) < MAX_ALIKE
        if (other or len(cause.shown) < MAX_ALIKE) and len(self.found) < MAX_PROBLEMS:
            cause.shown.append(why)
            cause.place = len(self.found)
            self.found.append(Malformed(f"{path}:{line}: {why}."))

    def _counted(self) -> list[XferError]:
        """What was found, and of each cause how many more rows have it."""
        found = list(self.found)
        for (path, _), cause in self.causes.items():
            error, more = found[cause.place], cause.rows - len(cause.shown)
            if more:
                many = "1 more row of this file is" if more == 1 else f"{more:,} more rows of this file are"
                found[cause.place] = Malformed(f"{error.what} {many} like that.")
            elif (
                self.rows
                and cause.rows == cause.line == 1
                and sum(one == path for one, _ in self.causes) == 1
            ):
                found[cause.place] = Malformed(error.what, self.names)
        return found

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
        problems = self._counted()
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
        bad = self.more + sum(cause.rows for cause in self.causes.values())
        if not self.rows and not bad:
            if columns:
                return Unscored(f"{what}: no row has a label: the column is not there; {columns}.")
            strip = "Scripts such as XTREME's strip test labels; use a labelled copy."
            return Unscored(
                f"{what}: no row has a label.", strip if split == "test" else f"The first is {place}."
            )
        return Malformed(
            f"{what}: {self.unlabelled} of {self.rows + self.unlabelled + bad} rows have no label, "
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
