"""The verbs as functions, made from their declarations: each takes the parameters that the verb declares by
name, and says in its signature and its docstring what they are. What carries them out is imported on call.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from functools import partial
from importlib import import_module
from inspect import Parameter, Signature
from typing import Any, NoReturn

from mlflow_xfer import logs
from mlflow_xfer.commands.result import Reported, Result
from mlflow_xfer.commands.running import running
from mlflow_xfer.durable import room
from mlflow_xfer.params import declare
from mlflow_xfer.params.declare import Shape, parameters
from mlflow_xfer.params.verbs import REMOVED, VERBS, Verb, removed

__all__ = ["Reported", "Result", "call", "printed"]

WIDTH = 100
BY_PLACE = Parameter.POSITIONAL_OR_KEYWORD
SCOPED = "A phase's name before a parameter of training sets it for that phase: ``target.learning_rate``."


def call(verb: Verb, params: Shape) -> Any:
    """What the verb's function returns; runs that it makes are tagged with the verb's name."""
    if getattr(params, "verbose", False):
        logs.say_more()
    with running(verb.name), room.needed():
        return _named(verb.function)(params)


def printed(verb: Verb, params: Shape, answer: Any) -> str | None:
    """What the command prints of an answer; None: nothing."""
    if verb.printed:
        return _named(verb.printed)(params, answer)
    return answer if isinstance(answer, str) else None


def _named(dotted: str) -> Callable[..., Any]:
    module, _, name = dotted.rpartition(".")
    return getattr(import_module(module), name)


def function(verb: Verb) -> Callable[..., Any]:
    """The verb as a function."""
    by_place = [one.name for one in signature(verb).parameters.values() if one.kind is BY_PLACE]

    def verb_function(*values: Any, **given: Any) -> Any:
        if len(values) > len(by_place):
            raise TypeError(f"{verb.name}() takes {len(by_place)} parameters without their names at most")
        placed = dict(zip(by_place, values, strict=False))
        if twice := placed.keys() & given.keys():
            raise TypeError(f"{verb.name}() got {', '.join(sorted(twice))} twice")
        return call(verb, verb.read(placed | given))

    verb_function.__name__ = verb_function.__qualname__ = verb.name
    verb_function.__module__ = __name__
    verb_function.__doc__ = docstring(verb)
    vars(verb_function)["__signature__"] = signature(verb)
    return verb_function


def signature(verb: Verb) -> Signature:
    """Every parameter with its default; by name only, but for a verb whose command takes words without names:
    these come first."""
    found = sorted(parameters(verb.shape).values(), key=lambda one: not one.facts.positional)
    kind = BY_PLACE if any(one.facts.positional for one in found) else Parameter.KEYWORD_ONLY
    made = [
        Parameter(
            one.name,
            kind,
            default=Parameter.empty if one.required else one.default,
            annotation=one.annotation,
        )
        for one in found
    ]
    rest = "parameters" if verb.planned else "scoped" if verb.trains else ""
    return Signature([*made, *([Parameter(rest, Parameter.VAR_KEYWORD, annotation=Any)] if rest else [])])


def docstring(verb: Verb) -> str:
    """What the verb does, and every parameter with its meaning and what is accepted."""
    parts = [textwrap.fill(part, WIDTH) for part in (verb.about, *verb.details)]
    if found := parameters(verb.shape):
        parts.append("\n".join(["Args:", *map(_described, found.values())]))
    if verb.trains:
        parts.append(textwrap.fill(SCOPED, WIDTH))
    return "\n\n".join(parts) + "\n"


def _described(one: declare.Parameter) -> str:
    default = "must be given" if one.required else f"default {one.typed or 'empty'}"
    text = f"{one.name}: {one.description} [{one.accepted}; {default}]"
    return textwrap.fill(
        text, WIDTH, initial_indent="    ", subsequent_indent=" " * 8, break_on_hyphens=False
    )


def _gone(name: str, *_: Any, **__: Any) -> NoReturn:
    raise removed(name)


FUNCTIONS = {name: function(verb) for name, verb in VERBS.items()}


def __getattr__(name: str) -> Callable[..., Any]:
    if name in FUNCTIONS:
        return FUNCTIONS[name]
    if name in REMOVED:
        return partial(_gone, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*globals(), *FUNCTIONS]
