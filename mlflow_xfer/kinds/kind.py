"""What a kind of task is: one line that registers it, and the three parts that its folder holds.

A kind says how examples read, what a model answers and how answers are scored. It stands in ``kinds/<name>/``:
``data.py`` (no torch), ``model.py`` (torch) and ``scoring.py`` (numpy), each with one object ``KIND`` of the class below.
Generic code asks :func:`data`, :func:`model` and :func:`scoring` by the kind's name. Nothing outside a kind's folder
imports it by statement, and this module imports nothing of data, models, training or scoring.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from mlflow_xfer.registry import Registry


@dataclass(frozen=True)
class Kind:
    """A kind of task.

    Attributes:
        name: what ``kind:`` says in a task file, and the folder in ``kinds/``.
        metrics: names of the metrics that may score it, the default first; empty: it is not scored.
        options: what :attr:`Task.options` may hold, each with the values that it may take, the default first.
    """

    name: str
    metrics: tuple[str, ...]
    options: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)


class Data:
    """How examples of a kind read: columns, conversion and encoding. Knows neither torch nor models."""


class Model:
    """What a model makes of encoded examples: head, inputs, loss, answers and dev score."""


class Scoring:
    """How answers are judged: gold answers, metrics, chance, files."""


KINDS: Registry[Kind] = Registry("kind of task", "mlflow-xfer tasks")
for _kind in (
    Kind("classification", ("accuracy",)),
    Kind("tagging", ("tag_f1", "tag_accuracy", "entity_f1")),
    Kind("multiple_choice", ("accuracy",), {"choice_scoring": ("head", "likelihood")}),
    Kind("span_qa", ("squad", "mlqa", "squad_v2")),
    Kind(
        "retrieval",
        ("retrieval_accuracy", "map_at_20", "bucc_f1"),
        {"centred": (False, True), "pooled": (False, True), "pooling": ("auto", "cls", "mean", "last")},
    ),
    Kind("language_model", ()),
):
    KINDS.add(_kind.name, _kind)


def data(name: str) -> Any:
    """The :class:`Data` of a kind."""
    return _part(name, "data")


def model(name: str) -> Any:
    """The :class:`Model` of a kind."""
    return _part(name, "model")


def scoring(name: str) -> Any:
    """The :class:`Scoring` of a kind."""
    return _part(name, "scoring")


def _part(name: str, part: str) -> Any:
    return import_module(f"mlflow_xfer.kinds.{KINDS.get(name).name}.{part}").KIND
