"""What a source says of a row's label becomes the task's name for it."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from mlflow_xfer.lines import scalar_text
from mlflow_xfer.tasks.task import Files, Hub, Task

MISSING = object()


class BadRow(ValueError):
    """A row that cannot be read; the message says why, the caller knows where.

    Attributes:
        no_column: whether it lacks a column: then the caller says which ones there are.
    """

    def __init__(self, why: str, no_column: bool = False):
        super().__init__(why)
        self.no_column = no_column


class NoLabel(BadRow):
    """A row without a gold label."""


def absent(value: Any) -> bool:
    """Whether a cell holds nothing: there is no such column, or it is null or NaN."""
    return value is MISSING or value is None or (isinstance(value, float) and math.isnan(value))


def is_number(name: str) -> bool:
    """Whether a name is or begins with a number (1, 5 stars): such labels are not counted by place."""
    return bool(re.match(r"[+-]?[0-9]", name))


def spelled(said: Any) -> str:
    """A label in one spelling: 4, 4.0 and "4.0" are equal."""
    return re.sub(r"(?<=[0-9])\.0+$", "", scalar_text(said))


def named(labels: Sequence[str] = ()) -> Callable[[Any], str]:
    """A function from a label as a file of predictions or labels has it to the one of ``labels`` that it is;
    others it gives in one spelling."""
    known = _in_any_spelling({name: name for name in labels})

    def name_of(said: Any) -> str:
        text = scalar_text(said).strip()
        alike = spelled(text)
        return known.get(text, known.get(alike, alike))

    return name_of


def _in_any_spelling(said: dict[str, str]) -> dict[str, str]:
    """With one spelling of each beside it; what is declared as it stands comes first."""
    return {spelled(one): name for one, name in reversed(said.items())} | said


number_of = named()
"""The number of a choice or a row in one spelling, of whatever type it is."""


def _label_map(task: Task, source: Hub | Files) -> Mapping[str, str]:
    """What the source says → name of the label, both as they are and in one spelling.

    Names always stand for themselves. Positions in the declared order are read where no name is a number.
    """
    said = {name: name for name in task.labels}
    if isinstance(source.labels, Mapping):
        said |= {str(one): name for one, name in source.labels.items()}
    elif not any(map(is_number, source.labels)):
        said |= {str(index): name for index, name in enumerate(source.labels)}
    return _in_any_spelling(said)


def labeller(task: Task, source: Hub | Files) -> Callable[[Any], str | None]:
    """A function from a source's label to its name; None where rows with this label are left out."""
    known, dropped = _label_map(task, source), {*source.drop, *map(spelled, source.drop)}
    anything = not task.labels and not source.labels

    def label_of(value: Any) -> str | None:
        if absent(value) or value == "":
            raise NoLabel("has no label", value is MISSING)
        said = (
            ("*" if value else "[]")
            if isinstance(value, list)
            else _truth(value, known)
            if isinstance(value, bool)
            else scalar_text(value)
        )
        alike = spelled(said.strip())
        if said not in known and (alike in known or alike in dropped):
            said = alike
        if said in dropped:
            return None
        if said in known:
            return known[said]
        if isinstance(value, list):
            raise BadRow(f"has the label {str(value)[:40]}, a list: a label is one name or number")
        if anything:
            return said
        if said == "-1":  # what the hub writes for hidden gold labels
            raise NoLabel("has no label (-1)")
        raise BadRow(
            f"has label {said!r}, which is not among "
            f"{', '.join(task.labels[:12])}{' …' if len(task.labels) > 12 else ''}"
            + (_like(said, task.labels) or (_counted(said, task.labels) if isinstance(source, Files) else ""))
        )

    return label_of


def _like(said: str, names: Iterable[str]) -> str:
    """Of a name that reads the same: what is different, in characters that can be seen."""
    alike = next((name for name in names if _letters(name) == _letters(said)), None)
    return "" if alike is None else f"; it is like {alike!a}, but {said!a}"


def _counted(said: str, names: Sequence[str]) -> str:
    """Of a whole number where names are none: how a declaration says what numbers stand for."""
    if not re.fullmatch("[0-9]+", said) or any(map(is_number, names)):
        return ""
    example = ", ".join(f"{place}: {name}" for place, name in enumerate(names[:2]))
    return f"; say what numbers stand for, in the file's own order: labels: {{{example}, …}}"


def _letters(name: str) -> str:
    """A name without case, marks of direction, and ways to compose a letter."""
    shown = unicodedata.normalize("NFKC", name.casefold())
    return "".join(one for one in shown if unicodedata.category(one) != "Cf").strip()


def _truth(value: bool, named: Mapping[str, str]) -> str:
    """JSON's ``true`` and ``false`` as the declaration writes them: so, as Python does, or as 1 and 0."""
    spellings = ("true", "True", "1") if value else ("false", "False", "0")
    return next((said for said in spellings if said in named), spellings[0])


def directed_label(label: str, head: int, number: int) -> str:
    """``nsubj>`` = a subject whose head follows; a stand-in for supertags that needs no licence."""
    return label.split(":")[0] + ("" if head == 0 else "<" if head < number else ">")
