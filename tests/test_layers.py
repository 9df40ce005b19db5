"""Imports point down only, and heavy libraries are where DESIGN puts them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path

from mlflow_xfer.kinds.kind import KINDS

ROOT = Path(__file__).resolve().parents[1] / "mlflow_xfer"

FLOORS = (
    {"version", "markdown", "notebooks", "errors", "home"},
    {"durable", "registry", "proportions", "lines", "logs"},
    {"code"},
    {"languages", "kinds.kind"},
    {"params"},
    {"tasks"},
    {"data", "stats"},
    {"models"},
    {"scoring"},
    {"training"},
    {"kinds"},
    {"tracking"},
    {"reporting"},
    {"phases"},
    {"conditions"},
    {"ranking"},
    {"searching", "studies"},
    {"listing"},
    {"plugin", "commands"},
    {"api"},
    {"cli", "project"},
)
"""From below: a module imports from its own part and from the floors below."""

FLOOR = {name: floor for floor, names in enumerate(FLOORS) for name in names}
ONLY_IN = {
    "mlflow": {"tracking", "plugin"},
    "optuna": {"searching"},
    "ray": {"conditions"},
    "torch": {"models", "training", "kinds"},
}
WITHOUT_TORCH = {"data", "scoring"}
"""Modules of a kind's folder that read no tensor."""

BY_NAME = {
    "",
    "api",
    "data.origins",
    "data.readers",
    "kinds.kind",
    "reporting",
    "studies.found",
    "tasks.catalogue",
}
"""Modules that import others by name (``import_module``), where no statement shows it."""


def name_of(path: Path) -> str:
    """A module's name inside the package (``""`` for the package itself)."""
    return ".".join(part for part in path.relative_to(ROOT).with_suffix("").parts if part != "__init__")


PACKAGE = ROOT.name
FILES = sorted(ROOT.rglob("*.py"))
MODULES = {f"{PACKAGE}.{name_of(path)}".rstrip(".") for path in FILES}


def part(name: str) -> str:
    """What a module's floor is listed under: its folder, or its own name."""
    return name if name in FLOOR else name.partition(".")[0]


def kind_folder(name: str) -> str:
    """The folder of a kind that a module belongs to, else an empty string."""
    first, _, rest = name.partition(".")
    return rest.partition(".")[0] if first == "kinds" and name != "kinds.kind" else ""


@cache
def nodes(path: Path) -> list[ast.AST]:
    """Everything in a module's text."""
    return list(ast.walk(ast.parse(path.read_text("utf-8"))))


def running(path: Path) -> Iterator[ast.AST]:
    """Everything in a module's text but what only type checkers read."""
    queue = nodes(path)[:1]
    while queue:
        node = queue.pop()
        yield node
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            queue += node.orelse
        else:
            queue += ast.iter_child_nodes(node)


def imports(found: Iterable[ast.AST]) -> set[str]:
    """What these statements import: modules of this package where they are, else what they are taken from."""
    names = set()
    for node in found:
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.module and not node.level, f"a relative import: {ast.unparse(node)}"
            whole = {f"{node.module}.{alias.name}" for alias in node.names}
            names |= {name if name in MODULES else node.module for name in whole}
    return names


def inside(found: Iterable[ast.AST]) -> set[str]:
    """Which modules of this package these statements import, named inside it."""
    return {name.removeprefix(PACKAGE).removeprefix(".") for name in imports(found) & MODULES}


def calls(path: Path) -> Iterator[tuple[ast.Call, str]]:
    """Each call in a module's text, with the last name of what is called."""
    for node in nodes(path):
        if isinstance(node, ast.Call):
            yield node, ast.unparse(node.func).rpartition(".")[2]


def test_imports_point_down():
    wrong, seen = [], 0
    for path in FILES:
        mine = part(name_of(path))
        if not mine:
            continue
        for name in inside(nodes(path)):
            other = part(name)
            seen += 1
            if name and other != mine and FLOOR[other] >= FLOOR[mine]:
                wrong.append(f"{name_of(path)} imports {name}")
    assert seen > 500
    assert not wrong, "\n".join(wrong)


def test_a_kind_is_reached_by_its_name_only():
    """By a kind that its heads answer, too, which stands on its code."""
    answered = {(one.name, one.heads) for one in KINDS if one.heads}
    reaching = [
        (name_of(path), name)
        for path in FILES
        for name in inside(nodes(path))
        if kind_folder(name) and kind_folder(name) != kind_folder(name_of(path))
    ]
    known = {(kind_folder(one), kind_folder(other)) for one, other in reaching} & answered
    assert known == answered, "else its code would be no part of their identity"
    wrong = [
        f"{one} imports {other}"
        for one, other in reaching
        if (kind_folder(one), kind_folder(other)) not in answered
    ]
    assert not wrong, "\n".join(wrong)


def test_imports_by_name_are_listed():
    by_name = ("import_module", "__import__")
    assert {name_of(path) for path in FILES for _, called in calls(path) if called in by_name} == BY_NAME


def test_no_modules_import_each_other_in_a_circle():
    """Late imports count; what stands under ``TYPE_CHECKING`` does not."""
    graph = {name_of(path): inside(running(path)) for path in FILES}
    assert sum(map(len, graph.values())) > 500
    assert [name for name in graph if name in reached(name, graph)] == []


def reached(start: str, graph: Mapping[str, set[str]]) -> set[str]:
    """What a module imports, and what that imports, and so on."""
    found: set[str] = set()
    queue = list(graph[start])
    while queue:
        if (name := queue.pop()) not in found:
            found.add(name)
            queue += graph[name]
    return found


WHOLE = {"replace", "rename", "mkstemp", "mkdtemp", "NamedTemporaryFile"}
"""Of ``os``, ``shutil``, ``tempfile`` and paths: what makes a file or folder appear whole."""


def test_only_durable_writes_whole_files():
    found = {
        name_of(path)
        for path in FILES
        for node, called in calls(path)
        if called in WHOLE
        and (
            ast.unparse(node.func).startswith(("os.", "shutil.", "tempfile."))
            or (len(node.args) == 1 and not node.keywords and not isinstance(node.args[0], ast.Constant))
        )
    }
    assert found == {"durable.files"}


def test_only_durable_locks_files():
    assert {name_of(path) for path in FILES if "filelock" in imports(nodes(path))} == {"durable.locks"}


def test_only_durable_retries_and_polls():
    """A loop that sleeps repeats a call that failed, or looks again."""
    found = [
        f"{name_of(path)}.{function.name}"
        for path in FILES
        for function in nodes(path)
        if isinstance(function, ast.FunctionDef)
        for loop in ast.walk(function)
        if isinstance(loop, ast.While | ast.For)
        and any(
            isinstance(node, ast.Call) and ast.unparse(node.func) == "time.sleep" for node in ast.walk(loop)
        )
    ]
    assert sorted(found) == ["durable.patience.awaited", "durable.patience.retried"]


def test_only_durable_beats():
    """A loop that goes on until an event is set."""
    found = {
        name_of(path)
        for path in FILES
        for node in nodes(path)
        if isinstance(node, ast.While) and ".wait(" in ast.unparse(node.test)
    }
    assert found == {"durable.heartbeat"}


def test_only_one_module_writes_tables():
    found = {
        name_of(path)
        for path in FILES
        for node in nodes(path)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and "---" in node.value
        if not re.search("<!--", node.value)
    }
    assert found == {"markdown"}


def test_heavy_libraries_stay_where_they_belong():
    wrong, seen = [], 0
    for path in FILES:
        name = name_of(path)
        for library in {found.partition(".")[0] for found in imports(nodes(path))} & set(ONLY_IN):
            seen += 1
            tensorless = library == "torch" and kind_folder(name) and name.split(".")[-1] in WITHOUT_TORCH
            if part(name) not in ONLY_IN[library] or tensorless:
                wrong.append(f"{name} imports {library}")
    assert seen > 50
    assert not wrong, "\n".join(wrong)


def test_every_part_has_a_floor():
    assert {part(name_of(path)) for path in FILES} - {""} <= set(FLOOR)


PARAMETERS = {"params", "typed"}
"""What parameters of verbs are called where a function takes them."""


def test_parameters_of_verbs_have_a_type():
    wrong, seen = [], 0
    for path in FILES:
        for function in nodes(path):
            if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            taken = function.args
            for one in (*taken.posonlyargs, *taken.args, *taken.kwonlyargs):
                if one.arg in PARAMETERS:
                    seen += 1
                    if one.annotation is None or "Any" in alternatives(one.annotation):
                        wrong.append(f"{name_of(path)}.{function.name}: {ast.unparse(one)}")
    assert seen > 40
    assert not wrong, "\n".join(wrong)


def alternatives(annotation: ast.expr) -> set[str]:
    """The types that an annotation joins by ``|``, without the module they are taken from."""
    if isinstance(annotation, ast.BinOp):
        return alternatives(annotation.left) | alternatives(annotation.right)
    if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
        return alternatives(ast.parse(annotation.value, mode="eval").body)
    return {ast.unparse(annotation).removeprefix("typing.")}


def test_only_params_asks_which_parameters_there_are():
    found = {
        part(name_of(path))
        for path in FILES
        for node, called in calls(path)
        if called == "hasattr" and ast.unparse(node.args[0]).rpartition(".")[2] in PARAMETERS
    }
    assert found == {"params"}


def test_no_model_brings_code_of_its_own():
    """Every call that reads what a model's maker saved says so: left open, transformers would ask."""
    wrong, seen = [], 0
    for path in FILES:
        for call, called in calls(path):
            if called == "from_pretrained":
                seen += 1
                trusted = {one.arg: ast.unparse(one.value) for one in call.keywords}.get("trust_remote_code")
                if trusted != "False":
                    wrong.append(f"{name_of(path)}:{call.lineno}: {ast.unparse(call.func)}")
    assert seen >= 5
    assert not wrong, "\n".join(wrong)
