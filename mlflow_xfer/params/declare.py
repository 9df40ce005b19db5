"""Declares a parameter: one line says its default, what it means and everything that others do with it.

What all parameters of a class have in common is said once, in the class's own line::

    class Mixing(Shape, group="several tasks"):
        mixing_temperature: At1 = setting(1.0, "T of T5's temperature mixing", shown=True, short="T")

Shapes only: whether a task or a file exists is the plan's question.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from inspect import get_annotations
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.fields import FieldInfo

from mlflow_xfer.params import values

Effect = Literal["identity", "runtime", "command"]
"""``identity``: it decides results, as a setting of a phase or by what it names. ``runtime``: where and how
results are computed, and how many at once; never part of a hash. ``command``: what else a command does."""

FACTS, ORIGIN = "facts", "origin"


class Shape(BaseModel):
    """Parameters that belong together. Frozen; unknown names are refused.

    Args:
        group: the heading under which help and the documentation show them.
        effect: what they do, see :data:`Effect`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    group: ClassVar[str] = ""
    effect: ClassVar[Effect] = "identity"

    def __init_subclass__(cls, group: str = "", effect: Effect | None = None, **more: Any):
        super().__init_subclass__(**more)
        cls.group, cls.effect = group or cls.group, effect or cls.effect

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        """What is said of it: the values that are not their defaults."""
        fields = type(self).model_fields
        return ((n, v) for n, v in super().__repr_args__() if n not in fields or v != fields[n].default)


@dataclass(frozen=True)
class Varies:
    """What a search may vary a setting in when it is told no range.

    Args:
        low, high: bounds, both included; evenly on a logarithmic scale with ``log``.
        choices: the values instead; empty without bounds: all that the type names.
        whole: whole numbers only.
        first: where a search begins; None: in the middle.
        spaces: the named spaces that hold it.
        phases: of a setting of every training phase, for which phases ``spaces`` hold it.
    """

    low: float | None = None
    high: float | None = None
    log: bool = False
    choices: tuple[Any, ...] = ()
    whole: bool = False
    first: float | None = None
    spaces: tuple[str, ...] = ()
    phases: tuple[str, ...] = ()


@dataclass(frozen=True)
class Facts:
    """What a declaration says beside type, default and description.

    Args:
        neutral: the value at which the setting changes nothing: a phase is as it was before there was the
            setting. A setting at its neutral value is left out of the spec of a phase, so that a new setting
            leaves finished runs valid. Hence a neutral value never changes, whatever becomes of the default.
        always: whether it stands in every spec instead, at any value.
        shown: whether it is a parameter of runs in MLflow, and so tells conditions apart.
        varies: what a search may vary it in; None: a search may not.
        short: its name in labels of candidates.
        joint: what becomes of the recipes of several tasks that are trained together.
        when: other settings and the values of theirs without which it means nothing.
        positional: whether the command line takes it without its name.
    """

    neutral: Any = None
    always: bool = False
    shown: bool = False
    varies: Varies | None = None
    short: str = ""
    joint: Callable[[Any], Any] = max
    when: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    positional: bool = False


def setting(default: Any, description: str, *, neutral: Any = ..., **facts: Any) -> Any:
    """A field of a :class:`Shape`; ``facts`` are those of :class:`Facts`. ``neutral`` is the default, where
    nothing else is said. With ``...`` for a default the parameter must be given."""
    said = Facts(neutral=default if neutral is ... else neutral, **facts)
    extra: dict[str, Any] = {FACTS: said}  # read by `parameters`; nobody asks for a JSON schema
    return Field(default, description=description, json_schema_extra=extra)


def with_default(shape: type[Shape], name: str, default: Any) -> Any:
    """The field ``name`` as ``shape`` declares it, with another default."""
    declared = shape.model_fields[name]
    extra: dict[str, Any] = {FACTS: _facts(declared), ORIGIN: shape}
    return Field(default, description=declared.description, json_schema_extra=extra)


@dataclass(frozen=True)
class Parameter:
    """Everything that is declared about one parameter of a :class:`Shape`."""

    name: str
    default: Any
    description: str
    accepted: str
    annotation: str
    choices: tuple[str, ...]
    group: str
    effect: Effect
    facts: Facts

    @property
    def is_list(self) -> bool:
        return "Sequence[" in self.annotation

    @property
    def is_place(self) -> bool:
        """Whether it may name a folder or file."""
        return "PathLike[" in self.annotation

    @property
    def required(self) -> bool:
        return self.default is ...

    @property
    def typed(self) -> str:
        """The default as a user types it; empty where the parameter must be given."""
        return "" if self.required else values.typed(self.default)


@cache
def parameters(shape: type[Shape]) -> dict[str, Parameter]:
    """The parameters of ``shape`` by name: base by base as it names them, each in the order of its lines."""
    first = {
        name: [one for one in shape.__mro__ if name in get_annotations(one)][-1]
        for name, found in shape.model_fields.items()
        if _facts(found)
    }
    return {
        name: _parameter(name, shape.model_fields[name], one)
        for one in (*shape.__mro__[1:], shape)
        for name in get_annotations(one)
        if first.get(name) is one
    }


def _facts(declared: FieldInfo) -> Facts | None:
    more = declared.json_schema_extra
    facts = more.get(FACTS) if isinstance(more, dict) else None
    return facts if isinstance(facts, Facts) else None


def _parameter(name: str, declared: FieldInfo, first: type[Shape]) -> Parameter:
    """``first``: the base that declares it, whose group it has unless it is taken over from another."""
    more = declared.json_schema_extra
    owner = more.get(ORIGIN, first) if isinstance(more, dict) else first
    assert isinstance(owner, type) and issubclass(owner, Shape), "what `with_default` puts there"
    facts, annotation = _facts(declared), declared.rebuild_annotation()
    assert facts, "what `setting` puts there"
    return Parameter(
        name,
        ... if declared.is_required() else declared.get_default(call_default_factory=True),
        declared.description or "",
        values.accepted(annotation),
        values.spelled(annotation),
        values.choices(declared.annotation),
        owner.group,
        owner.effect,
        facts,
    )
