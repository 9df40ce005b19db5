"""Studies by name: those of the folder ``questions``, and a user's own as YAML of the same shape."""

from __future__ import annotations

import pkgutil
from dataclasses import replace
from importlib import import_module
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from mlflow_xfer.errors import Problems, XferError
from mlflow_xfer.params.studies import EFFORTS
from mlflow_xfer.registry import unknown
from mlflow_xfer.studies import questions
from mlflow_xfer.studies.checking import check
from mlflow_xfer.studies.study import Study
from mlflow_xfer.tasks.yaml_source import load

ENDINGS = (".yaml", ".yml")
EXAMPLE = "name, question, shared: {…}, arms: [{name: …, params: {…}, against: …}, …], contrasts: [{name: …}]"
SAID_ELSEWHERE = {
    "source": "It is the file itself: leave it out.",
    "scale": "Leave it out, and give the command --scale.",
    "effort": "Leave it out, and give the command --effort.",
}
"""Fields of a study that are known when it is asked for."""


def studies() -> dict[str, Study]:
    """All that the folder declares, by name."""
    modules = [
        import_module(f"{questions.__name__}.{one.name}") for one in pkgutil.iter_modules(questions.__path__)
    ]
    every = [one for module in modules for one in vars(module).values() if isinstance(one, Study)]
    return {one.name: one for one in every}


def study(name: str) -> Study:
    """The study of that name, or that a YAML file declares.

    Raises:
        XferError: there is none, or what is wrong with its declaration.
    """
    found = _written(Path(name)) if name.endswith(ENDINGS) else studies().get(name)
    if found is None:
        raise unknown("study", name, studies(), "mlflow-xfer studies")
    check(found)
    if found.source:
        for scale in ("mini", *found.scales):
            for effort in EFFORTS:
                check(found.at(scale, effort))
    return found


def _written(path: Path) -> Study:
    """The study that a YAML file declares: every fault of it at once, with its line."""
    content = load(path.expanduser().absolute())
    if not isinstance(content.value, dict):
        what = "is empty" if content.value is None else "declares no study"
        raise XferError(f"{path}: {what}.", f"A study has {EXAMPLE}")
    problems = Problems()
    for name in SAID_ELSEWHERE:
        if name in content.value:
            problems.add(f"{content.at(name)}: {name} is not said by a study.", SAID_ELSEWHERE[name])
    problems.raise_if_any()
    try:
        return replace(TypeAdapter(Study).validate_python(content.value), source=str(path))
    except ValidationError as error:
        for fault in error.errors():
            place = ".".join(map(str, fault["loc"]))
            problems.add(f"{content.at(*fault['loc'])}: {place}: {fault['msg']}.", f"A study has {EXAMPLE}")
        problems.raise_if_any()
        raise XferError(f"{path}: declares no study.", EXAMPLE) from error
