"""What a source says of a row's label becomes the task's name for it."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from mlflow_xfer.errors import few
from mlflow_xfer.lines import scalar_text
from mlflow_xfer.tasks.task import Files, Hub, Task

MISSING = object()
NUMBER = re.compile(r"([+-]?[0-9]+)(\.[0-9]+)?")
TRUTH = {True: ("true", "True", "1"), False: ("false", "False", "0")}
"""How files and declarations write what JSON writes ``true`` and ``false``."""
V = TypeVar("V")


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
    """A label in one spelling: 4, 4.0 and "4.0" are equal; names with a number at their end stay as they
    are."""
    text = scalar_text(said)
    number = NUMBER.fullmatch(text)
    return number[1] if number and number[2] and not number[2].strip(".0") else text


def truth_of(said: Any) -> bool | None:
    """What a cell says that is true or false, in any spelling; None: something else."""
    text = spelled(said).strip().lower()
    return next((value for value, spellings in TRUTH.items() if text in spellings), None)


def named(labels: Sequence[str] = ()) -> Callable[[Any], str]:
    """A function from a label as a file of predictions or labels has it to the one of ``labels`` that it is;
    others it gives in one spelling."""
    known = in_any_spelling({name: name for name in labels})

    def name_of(said: Any) -> str:
        text = scalar_text(said).strip()
        alike = spelled(text)
        return known.get(text, known.get(alike, alike))

    return name_of


def in_any_spelling(said: dict[str, V]) -> dict[str, V]:
    """With one spelling of each beside it; what is declared as it stands comes first."""
    return {spelled(one): name for one, name in reversed(said.items())} | said


number_of = named()
"""The number of a choice or a row in one spelling, of whatever type it is."""


def _label_map(task: Task, source: Hub | Files) -> Mapping[str, str]:
    """What the source says → name of the label, both as they are and in one spelling.

    Names stand for themselves, unless a mapping is complete. Positions in the declared order are read where
    no name is a number.
    """
    said = {} if _is_complete(source.labels) else {name: name for name in task.labels}
    if isinstance(source.labels, Mapping):
        said |= {str(one): name for one, name in source.labels.items()}
    elif not any(map(is_number, source.labels)):
        said |= {str(index): name for index, name in enumerate(source.labels)}
    return in_any_spelling(said)


def _is_complete(declared: Any) -> bool:
    """Whether a mapping says all that a source may say: where it has one name stand for another, or numbers
    for numbers, nobody could tell what is meant by a name that it does not map."""
    if not isinstance(declared, Mapping):
        return False
    said = {spelled(one): spelled(name) for one, name in declared.items()}
    names = {*said.values()}
    return any(one in names and one != name for one, name in said.items()) or (
        any(map(NUMBER.fullmatch, said)) and any(map(NUMBER.fullmatch, names))
    )


def labeller(task: Task, source: Hub | Files) -> Callable[[Any], str | None]:
    """A function from a source's label to its name; None where rows with this label are left out."""
    known, dropped = _label_map(task, source), {*source.drop, *map(spelled, source.drop)}
    declared = {*known, *dropped}
    anything, complete = not task.labels and not source.labels, _is_complete(source.labels)

    def label_of(value: Any) -> str | None:
        if absent(value) or value == "":
            raise NoLabel("has no label", value is MISSING)
        said = ("*" if value else "[]") if isinstance(value, list) else as_declared(value, declared)
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
        if complete:
            raise BadRow(
                f"has label {said!r}, which labels does not map ({few(source.labels)}): its names are like "
                f"what files say, so {said!r} must stand there too, or under drop, which leaves such rows out"
            )
        raise BadRow(
            f"has label {said!r}, which is not among {few(task.labels, 12)}"
            + (_like(said, task.labels) or (_counted(said, task.labels) if isinstance(source, Files) else ""))
        )

    return label_of


def as_declared(value: Any, declared: Container[str]) -> str:
    """What a row says for its label, spelled as in the declaration where it is one of the ``declared``."""
    said = _truth(value, declared) if isinstance(value, bool) else scalar_text(value)
    alike = spelled(said.strip())
    return alike if said not in declared and alike in declared else said


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


def _truth(value: bool, declared: Container[str]) -> str:
    """JSON's ``true`` and ``false`` as the declaration writes them: so, as Python does, or as 1 and 0."""
    return next((said for said in TRUTH[value] if said in declared), TRUTH[value][0])


def directed_label(label: str, head: int, number: int) -> str:
    """``nsubj>`` = a subject whose head follows; a stand-in for supertags that needs no licence."""
    return label.split(":")[0] + ("" if head == 0 else "<" if head < number else ">")
