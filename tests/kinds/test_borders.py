"""What depends on a kind of task stands in its folder: nothing outside compares, matches or maps kinds."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlflow_xfer.kinds import kind

ROOT = Path(kind.__file__).resolve().parents[1]
KINDS = set(kind.KINDS.names())
METRICS = {name for one in kind.KINDS for name in one.metrics}
OPTIONS = {name for one in kind.KINDS for name in one.options}


def told(tree: ast.AST) -> Iterator[int]:
    """Lines that compare with a kind, a metric or an option of one kind, match a kind, or map from one."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            parts = [part for side in sides for part in getattr(side, "elts", [side])]
            named = {part.value for part in parts if isinstance(part, ast.Constant)}
            asked = {part.attr for part in parts if isinstance(part, ast.Attribute)}
            if named & (KINDS | METRICS) or asked & OPTIONS and named:
                yield node.lineno
        elif isinstance(node, ast.MatchValue) and isinstance(node.value, ast.Constant):
            if node.value.value in KINDS:
                yield node.value.lineno
        elif isinstance(node, ast.Dict):
            yield from (
                key.lineno for key in node.keys if isinstance(key, ast.Constant) and key.value in KINDS
            )


def test_nothing_outside_tells_kinds_apart():
    """Task entries and the groups of suites, which bear names of kinds, aside."""
    found, seen = [], 0
    for path in sorted(ROOT.rglob("*.py")):
        place = path.relative_to(ROOT)
        if place.parts[0] not in ("kinds", "tasks"):
            seen += 1
            found += [f"{place}:{line}" for line in told(ast.parse(path.read_text(encoding="utf-8")))]
    assert seen > 150 and len(found) <= 3, "\n".join(found)


@pytest.mark.parametrize(
    "text",
    [
        'task.kind == "tagging"',
        'task.metric in ("bucc_f1", "x")',
        '{"span_qa": 1}',
        'params.choice_scoring == "likelihood"',
        'match task.kind:\n    case "retrieval":\n        pass',
    ],
)
def test_what_tells_kinds_apart_is_found(text):
    assert list(told(ast.parse(text)))


@pytest.mark.parametrize("name", kind.KINDS.names())
def test_every_kind_has_its_three_parts(name):
    parts = (kind.data(name), kind.model(name), kind.scoring(name))
    assert {part.name for part in parts} == {name}
    assert set(kind.scoring(name).metrics) == set(kind.KINDS.get(name).metrics)
    assert set(kind.data(name).texts) <= set(kind.data(name).columns)
