"""Imports point down only, and heavy libraries are where DESIGN puts them."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1] / "mlflow_xfer"

FLOORS = (
    {"version", "errors", "home"},
    {"durable", "registry", "proportions"},
    {"languages", "kinds.kind"},
    {"params"},
    {"tasks"},
    {"data", "stats"},
    {"models"},
    {"scoring"},
    {"training"},
    {"kinds"},
    {"tracking"},
    {"phases"},
    {"reporting"},
    {"searching", "studies"},
    {"listing", "project"},
    {"doctor"},
    {"plugin", "api"},
    {"cli"},
)
"""From below: a module imports from its own part and from the floors below."""

FLOOR = {name: floor for floor, names in enumerate(FLOORS) for name in names}
ONLY_IN = {
    "mlflow": {"tracking", "plugin"},
    "optuna": {"searching"},
    "torch": {"models", "training", "data", "kinds"},
}
WITHOUT_TORCH = {"data", "scoring"}
"""Modules of a kind's folder that read no tensor."""

BY_NAME = {"kinds.kind", "reporting", "searching.workers", "tasks.catalogue"}
"""Modules that import others by name (``import_module``), where no statement shows it."""


def name_of(path: Path) -> str:
    """A module's name inside the package (``""`` for the package itself)."""
    return ".".join(part for part in path.relative_to(ROOT).with_suffix("").parts if part != "__init__")


def part(name: str) -> str:
    """What a module's floor is listed under: its folder, or its own name."""
    return name if name in FLOOR else name.partition(".")[0]


def kind_folder(name: str) -> str:
    """The folder of a kind that a module belongs to, else an empty string."""
    first, _, rest = name.partition(".")
    return rest.partition(".")[0] if first == "kinds" and name != "kinds.kind" else ""


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def inside(path: Path) -> set[str]:
    """What a module imports of this package, named inside it."""
    modules = {name_of(path) for path in ROOT.rglob("*.py")}
    names = {name.removeprefix("mlflow_xfer.") for name in imports(path) if name.startswith("mlflow_xfer.")}
    return names & modules - {"kinds"}


def test_imports_point_down():
    wrong, seen = [], 0
    for path in sorted(ROOT.rglob("*.py")):
        mine = part(name_of(path))
        if not mine:
            continue
        for name in inside(path):
            other = part(name)
            seen += 1
            if other != mine and FLOOR[other] >= FLOOR[mine]:
                wrong.append(f"{name_of(path)} imports {name}")
    assert seen > 500
    assert not wrong, "\n".join(wrong)


def test_a_kind_is_reached_by_its_name_only():
    wrong = [
        f"{name_of(path)} imports {name}"
        for path in ROOT.rglob("*.py")
        for name in inside(path)
        if kind_folder(name) and kind_folder(name) != kind_folder(name_of(path))
    ]
    assert not wrong, "\n".join(wrong)


def test_imports_by_name_are_listed():
    found = {
        name_of(path)
        for path in ROOT.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call)
        and ast.unparse(node.func).split(".")[-1] in ("import_module", "__import__")
    }
    assert found == BY_NAME


def test_heavy_libraries_stay_where_they_belong():
    wrong, seen = [], 0
    for path in ROOT.rglob("*.py"):
        name = name_of(path)
        for library in {found.partition(".")[0] for found in imports(path)} & set(ONLY_IN):
            seen += 1
            tensorless = library == "torch" and kind_folder(name) and name.split(".")[-1] in WITHOUT_TORCH
            if part(name) not in ONLY_IN[library] or tensorless:
                wrong.append(f"{name} imports {library}")
    assert seen > 50
    assert not wrong, "\n".join(wrong)


def test_every_part_has_a_floor():
    assert {part(name_of(path)) for path in ROOT.rglob("*.py")} - {""} <= set(FLOOR)
