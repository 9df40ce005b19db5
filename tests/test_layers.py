"""Imports point down only, and heavy libraries are where DESIGN puts them."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1] / "mlflow_xfer"

LEVEL = {
    "cli": 8, "plugin": 8, "api": 8, "project": 8, "doctor": 8, "listing": 8,
    "studies": 7, "searching": 7,
    "reporting": 6,
    "phases": 5,
    "tracking": 4, "training": 4,
    "models": 3, "data": 3, "scoring": 3, "stats": 3,
    "tasks": 2, "languages": 2,
    "params": 1, "registry": 1, "errors": 1, "home": 1, "proportions": 1,
}  # fmt: skip
SAME_LEVEL = {
    ("tasks", "languages"),
    ("scoring", "data"),
    ("api", "doctor"),
    ("api", "listing"),
    ("cli", "api"),
    ("cli", "listing"),
    ("doctor", "listing"),
}
ONLY_IN = {"mlflow": {"tracking", "plugin"}, "optuna": {"searching"}, "torch": {"models", "training", "data"}}


def part(path: Path) -> str:
    relative = path.relative_to(ROOT)
    return relative.parts[0] if len(relative.parts) > 1 else relative.stem


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {
                f"{node.module}.{alias.name}" for alias in node.names if node.module == "mlflow_xfer"
            }
    return found


def test_imports_point_down():
    wrong, seen = [], 0
    for path in sorted(ROOT.rglob("*.py")):
        mine = part(path)
        if mine == "__init__":
            continue
        for name in imports(path):
            if name.startswith("mlflow_xfer."):
                other = name.split(".")[1]
                seen += 1
                if (
                    other in LEVEL
                    and other != mine
                    and LEVEL[other] >= LEVEL[mine]
                    and (mine, other) not in SAME_LEVEL
                    and LEVEL[mine] > 1
                ):
                    wrong.append(f"{path.relative_to(ROOT)} imports {name}")
    assert seen > 50
    assert not wrong, "\n".join(wrong)


def test_heavy_libraries_stay_where_they_belong():
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in ROOT.rglob("*.py")
        for name in imports(path)
        if name.split(".")[0] in ONLY_IN and part(path) not in ONLY_IN[name.split(".")[0]]
    ]
    assert not wrong, "\n".join(wrong)


def test_every_part_has_a_level():
    assert {part(path) for path in ROOT.rglob("*.py")} - {"__init__"} <= set(LEVEL)
