"""Which code stands behind a result: the modules of this package reached from given ones, and their hash.

A module reaches what its text imports, at the top or inside a function. What is found by name (kinds of task,
readers of formats, origins of rows) is reached only as a root. What words messages, records results, keeps
files whole, runs processes or shows progress is left out, as is what arrives as a value that is hashed
itself (tasks, parameters, languages): an edit there leaves results valid.
"""

from __future__ import annotations

import ast
import hashlib
import json
import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import NamedTuple

from mlflow_xfer.durable.files import write_whole
from mlflow_xfer.home import home

PACKAGE = "mlflow_xfer"
ROOT = Path(__file__).resolve().parent

LEFT_OUT = (
    "code",
    "conditions",
    "durable",
    "errors",
    "home",
    "kinds.kind",
    "languages",
    "params",
    "phases.phase",
    "registry",
    "tasks",
    "tracking",
    "training.progress",
    "version",
)
"""Modules and folders, as named inside the package."""


class Module(NamedTuple):
    """What is known of a module's text: the hash of its program, and every name that it imports."""

    hash: str
    imports: tuple[str, ...]


class Program:
    """The modules of a package by name, as their texts are."""

    def __init__(self, modules: Mapping[str, Module]) -> None:
        self.modules = modules
        self._reached: dict[tuple[str, ...], tuple[str, ...]] = {}

    def hash(self, roots: Iterable[str]) -> str:
        """The hash of the code reached from ``roots``."""
        parts = [f"{name}:{self.modules[name].hash}" for name in self.reached(roots)]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()

    def reached(self, roots: Iterable[str]) -> tuple[str, ...]:
        """The names, sorted, of ``roots`` and of all modules that they import, directly or not.

        Raises:
            KeyError: a root that is no module.
        """
        key = tuple(sorted(set(roots)))
        if key not in self._reached:
            reached: set[str] = set()
            queue = list(key)
            while queue:
                name = queue.pop()
                if name not in reached:
                    reached.add(name)
                    queue += self.imported(name)
            self._reached[key] = tuple(sorted(reached))
        return self._reached[key]

    def imported(self, name: str) -> tuple[str, ...]:
        """Modules of this package that ``name`` imports anywhere in its text, less those left out."""
        imports = self.modules[name].imports
        return tuple(sorted(other for other in imports if other in self.modules and not _is_left_out(other)))


def parts(kind: str, *names: str) -> list[str]:
    """The modules of a kind of task that hold the named parts."""
    return [f"{PACKAGE}.kinds.{kind}.{name}" for name in names]


def _is_left_out(name: str) -> bool:
    inside = name.removeprefix(PACKAGE + ".")
    return any(inside == one or inside.startswith(one + ".") for one in LEFT_OUT)


@cache
def program() -> Program:
    """This package. What a text says is remembered under :func:`home`, since parsing takes seconds."""
    texts = read_texts(ROOT)
    keys = {name: hashlib.sha256(text.encode()).hexdigest() for name, text in texts.items()}
    # A file for each checkout and Python, so that two that share a home do not undo each other's; what one
    # checkout has of another is known.
    python, place = (hashlib.sha256(said.encode()).hexdigest()[:12] for said in (sys.version, str(ROOT)))
    note = home() / "code" / f"{python}-{place}.json"
    known: dict[str, Module] = {}
    for one in (note, *note.parent.glob(f"{python}-*.json")):
        if not set(keys.values()) <= set(known):
            known |= _remembered(one)
    modules = {name: known.get(key) or parsed(texts[name]) for name, key in keys.items()}
    if not set(keys.values()) <= set(known):
        with suppress(OSError):  # a read-only home costs time, not the run
            write_whole(note, json.dumps({keys[name]: module for name, module in modules.items()}).encode())
    return Program(modules)


def read_texts(root: Path) -> dict[str, str]:
    """The text of every module below ``root``, by the module's name (a package's for its ``__init__``)."""
    texts = {}
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        name = ".".join([PACKAGE, *(part for part in parts if part != "__init__")])
        texts[name] = path.read_text("utf-8")
    return texts


def parsed(text: str) -> Module:
    """What a module's text says."""
    tree, imports = ast.parse(text), set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imports |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            imports |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    inside = sorted(name for name in imports if name.startswith(PACKAGE + "."))
    return Module(hashlib.sha256(_bare(tree).encode()).hexdigest(), tuple(inside))


def _remembered(note: Path) -> dict[str, Module]:
    try:
        return {
            key: Module(str(digest), tuple(map(str, imports)))
            for key, (digest, imports) in json.loads(note.read_bytes()).items()
        }
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


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
            body[:] = body[1:] or [ast.Pass()]
    return ast.unparse(tree)
