"""Which code a phase's result depends on, and the hash of that code.

A phase stands on the module in ``phases/`` that makes it and on every module of this package that this one
imports, directly or not. What reaches a phase as values of its spec (tasks, parameters, languages), what only
words messages, and what records a result without touching it (tracking) is left out: an edit there leaves
finished phases valid.
"""

from __future__ import annotations

import ast
import hashlib
import json
import sys
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import NamedTuple

from mlflow_xfer.durable.files import write_whole
from mlflow_xfer.home import home

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

LEFT_OUT = (
    "tracking",
    "durable",
    "tasks",
    "languages",
    "params",
    "registry",
    "errors",
    "home",
    "version",
    "phases.phase",
)


class Module(NamedTuple):
    """What is known of a module's text: the hash of its program, and every name that it imports."""

    hash: str
    imports: tuple[str, ...]


def code_hash(procedure: str, inputs: Sequence[str] = ()) -> str:
    """Hash of the code behind a phase made by ``procedure`` and of the code hashes of its inputs."""
    parts = [f"{name}:{_read()[name].hash}" for name in modules(procedure)]
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


def imported(name: str) -> tuple[str, ...]:
    """Modules of this package that ``name`` imports anywhere in its text, less those left out."""
    return tuple(
        sorted(
            found
            for found in _read()[name].imports
            if found in _read() and not found.removeprefix(PACKAGE + ".").startswith(LEFT_OUT)
        )
    )


@cache
def _read() -> dict[str, Module]:
    """Every module of this package, by name;
    what a text says is remembered under :func:`home`, since parsing takes seconds.
    """
    texts = {name_of(path): path.read_bytes() for path in sorted(ROOT.rglob("*.py"))}
    keys = {name: hashlib.sha256(text + sys.version.encode()).hexdigest() for name, text in texts.items()}
    note = home() / "code.json"
    known = _remembered(note)
    found = {name: known.get(key) or _parsed(texts[name].decode("utf-8")) for name, key in keys.items()}
    if not set(keys.values()) <= set(known):
        with suppress(OSError):  # a read-only home costs time, not the run
            write_whole(note, json.dumps({keys[name]: module for name, module in found.items()}).encode())
    return found


def _remembered(note: Path) -> dict[str, Module]:
    try:
        return {
            key: Module(str(digest), tuple(map(str, imports)))
            for key, (digest, imports) in json.loads(note.read_bytes()).items()
        }
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def _parsed(text: str) -> Module:
    tree, found = ast.parse(text), set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    inside = sorted(name for name in found if name.startswith(PACKAGE + "."))
    return Module(hashlib.sha256(_bare(tree).encode()).hexdigest(), tuple(inside))


def name_of(path: Path) -> str:
    """The module in a file of this package (a package for its ``__init__``)."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join([PACKAGE, *(part for part in parts if part != "__init__")])


def _bare(tree: ast.Module) -> str:
    """The program, without comments, layout and docstrings.

    ``ast.unparse`` rather than ``ast.dump``: the dump's fields differ between Python versions.
    """
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if (
            isinstance(body, list)
            and body
            and isinstance(body[0], ast.Expr)
            and isinstance(body[0].value, ast.Constant)
            and isinstance(body[0].value.value, str)
        ):
            node.body = body[1:] or [ast.Pass()]
    return ast.unparse(tree)
