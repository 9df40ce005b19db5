"""The verbs as functions: their signatures and docstrings say everything, and nothing heavy is loaded."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
import types
from importlib import import_module
from typing import get_type_hints

import pytest
from click.testing import CliRunner

import mlflow_xfer
from mlflow_xfer import api, cli, project
from mlflow_xfer.commands.running import VERB
from mlflow_xfer.errors import XferError
from mlflow_xfer.params.declare import Shape, parameters, setting
from mlflow_xfer.params.values import Count
from mlflow_xfer.params.verbs import VERBS, Verb


@pytest.mark.parametrize("verb", VERBS.values(), ids=VERBS)
def test_signature_and_docstring_name_every_parameter(verb):
    function = api.FUNCTIONS[verb.name]
    shown, known = inspect.signature(function).parameters, parameters(verb.shape)
    assert [name for name, one in shown.items() if one.kind is not one.VAR_KEYWORD] == sorted(
        known, key=lambda name: not known[name].facts.positional
    )
    doc = " ".join((inspect.getdoc(function) or "").split())
    assert verb.about in doc
    for name, one in known.items():
        assert shown[name].default == (inspect.Parameter.empty if one.required else one.default)
        assert f"{name}: {one.description} [{one.accepted}; " in doc
    assert function.__name__ == verb.name and function.__module__ == "mlflow_xfer.api"


@pytest.mark.parametrize("verb", VERBS.values(), ids=VERBS)
def test_every_verb_is_carried_out_by_a_function_of_its_parameters(verb):
    for dotted in filter(None, (verb.function, verb.printed)):
        module, _, name = dotted.rpartition(".")
        function = getattr(import_module(module), name)
        first = next(iter(inspect.signature(function).parameters))
        hints = get_type_hints(function, vars(import_module(module)) | _TYPES)
        assert first == "params" and issubclass(verb.shape, hints["params"])
    assert len(verb.headline) <= 8 and set(verb.headline) <= set(parameters(verb.shape))


def _types() -> dict[str, object]:
    """What the functions return, which their modules import for type checkers alone."""
    import pandas

    from mlflow_xfer.searching.showing.preview import SearchPreview

    return {"pd": pandas, "SearchPreview": SearchPreview}


_TYPES = _types()


def test_annotations_are_readable():
    said = str(inspect.signature(mlflow_xfer.transfer))
    assert "learning_rate: Literal[\"auto\"] | float = 'auto'" in said
    assert "seeds: int | str | Sequence[int] = (0,)" in said and said.endswith("**scoped: Any)")
    assert str(inspect.signature(mlflow_xfer.predict)).startswith(
        "(model: str | PathLike[str], file: str | PathLike[str], task: str | None = None"
    )
    assert str(inspect.signature(mlflow_xfer.plan)).startswith("(verb: Literal[")


class Dummy(Shape, group="dummies", effect="command"):
    """Does nothing, and says so.

    In two paragraphs.
    """

    word: str = setting(..., "what to say", positional=True)
    times: Count = setting(1, "how often")


def echoed(params: Dummy) -> str:
    return " ".join([params.word] * params.times + [os.environ[VERB]])


def failed(params: Dummy) -> str:
    raise XferError(os.environ[VERB])


DUMMY = Verb(Dummy, f"{__name__}.echoed", "", ("times",), ("dummy a", "dummy a --times 2"))


def test_a_verb_is_one_entry_and_its_function(monkeypatch):
    monkeypatch.setitem(VERBS, "dummy", DUMMY)
    assert api.function(DUMMY)("a", times=2) == api.function(DUMMY)("a", 2) == "a a dummy"
    said = CliRunner().invoke(cli.Command(DUMMY), ["a", "--times", "3"])
    assert said.output == "a a a dummy\n"
    shown = CliRunner().invoke(cli.Command(DUMMY), ["--help"]).output
    assert "dummy WORD" in shown and "In two paragraphs." in shown and "Dummies:" in shown
    assert "| `mlflow-xfer dummy WORD` |  | Does nothing, and says so. |" in project.verb_table()
    assert "| `times` | dummy | whole number > 0 | `1` | how often | command |" in project.parameter_page()
    assert "def dummy(\n    word: str,\n    times: int = 1,\n) -> str:" in project.stub()


def test_the_running_verb_is_known_while_it_runs(monkeypatch):
    monkeypatch.setenv(VERB, "outer")
    assert api.call(DUMMY, Dummy(word="a")) == "a dummy" and os.environ[VERB] == "outer"
    monkeypatch.delenv(VERB)
    with pytest.raises(XferError, match="dummy"):
        api.call(Verb(Dummy, f"{__name__}.failed"), Dummy(word="a"))
    assert VERB not in os.environ


def test_the_plugin_reads_the_same_variable():
    import mlflow  # noqa: F401 - registers the plugin

    from mlflow_xfer.plugin.run_context import VERB_VARIABLE

    assert VERB == VERB_VARIABLE


def test_parameters_by_place_and_by_name():
    function = api.function(DUMMY)
    with pytest.raises(TypeError, match="takes 2 parameters"):
        function("a", 2, 3)
    with pytest.raises(TypeError, match="got word twice"):
        function("a", word="b")
    with pytest.raises(XferError, match="Did you mean 'times'"):
        function("a", tims=2)
    with pytest.raises(XferError, match="Parameter word is missing"):
        function()


def test_the_package_has_the_functions_and_keeps_its_modules():
    assert set(dir(mlflow_xfer)) >= set(VERBS)
    for name in VERBS:
        found = getattr(mlflow_xfer, name, None)
        assert found is api.FUNCTIONS[name] or name in ("tasks", "languages", "studies")
    assert isinstance(import_module("mlflow_xfer.tasks"), types.ModuleType)
    assert api.suites("mini").startswith("mini: ") and "nli" in api.tasks(kind="classification")
    with pytest.raises(AttributeError, match="no_such_verb"):
        _ = mlflow_xfer.no_such_verb


def test_nothing_heavy_is_loaded_for_a_function():
    code = (
        "import sys, mlflow_xfer, inspect\n"
        "assert 'pydantic' not in sys.modules\n"
        "inspect.signature(mlflow_xfer.search), mlflow_xfer.rank.__doc__, dir(mlflow_xfer)\n"
        "print(sorted({'torch', 'mlflow', 'numpy', 'pandas', 'optuna', 'click'} & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "[]\n"
