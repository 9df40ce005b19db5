"""Which code a phase's result depends on, and the hash of that code.

A phase stands on the module in ``phases/`` that makes it and on every module of this package that this one imports,
directly or not. What reaches a phase as values of its spec (tasks, parameters, languages), what only words messages, and what
records a result without touching it (tracking) is left out: an edit there leaves finished phases valid.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Sequence
from functools import cache
from pathlib import Path

PACKAGE = "mlflow_xfer"
ROOT = Path(__file__).resolve().parents[1]

STANDS_ON = {
    "pretrain": f"{PACKAGE}.phases.train",
    "intermediate": f"{PACKAGE}.phases.train",
    "target": f"{PACKAGE}.phases.train",
    "evaluate": f"{PACKAGE}.phases.evaluate",
    "merge": f"{PACKAGE}.phases.merge",
}
"""By :attr:`Phase.procedure`."""

LEFT_OUT = ("tracking", "tasks", "languages", "params", "registry", "errors", "home", "phases.phase")


def code_hash(procedure: str, inputs: Sequence[str] = ()) -> str:
    """Hash of the code behind a phase made by ``procedure`` and of the code hashes of its inputs."""
    parts = [f"{name}:{_module_hash(name)}" for name in modules(procedure)]
    return hashlib.sha256("\n".join([*parts, *inputs]).encode()).hexdigest()


@cache
def modules(procedure: str) -> tuple[str, ...]:
    """The modules, sorted, that a phase made by ``procedure`` stands on."""
    found: set[str] = set()
    queue = [STANDS_ON[procedure]]
    while queue:
        name = queue.pop()
        if name not in found:
            found.add(name)
            queue += imported(name)
    return tuple(sorted(found))


@cache
def imported(name: str) -> tuple[str, ...]:
    """Modules of this package that ``name`` imports anywhere in its text, less those left out."""
    found = set()
    for node in ast.walk(_tree(name)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    inside = {f for f in found if f.startswith(PACKAGE + ".") and source_of(f).is_file()}
    return tuple(sorted(f for f in inside if not f.removeprefix(PACKAGE + ".").startswith(LEFT_OUT)))


def source_of(name: str) -> Path:
    """The file of a module of this package (of its ``__init__`` for a package)."""
    path = ROOT.joinpath(*name.split(".")[1:])
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


@cache
def _module_hash(name: str) -> str:
    return hashlib.sha256(_bare(_tree(name)).encode()).hexdigest()


@cache
def _tree(name: str) -> ast.Module:
    return ast.parse(source_of(name).read_text("utf-8"))


def without_docstrings(text: str) -> str:
    """The program in ``text``, without comments, layout and docstrings.

    ``ast.unparse`` rather than ``ast.dump``: the dump's fields differ between Python versions.
    """
    return _bare(ast.parse(text))


def _bare(tree: ast.Module) -> str:
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant) and isinstance(body[0].value.value, str):
            node.body = body[1:] or [ast.Pass()]
    return ast.unparse(tree)
