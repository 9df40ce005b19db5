"""YAML with places: plain values, and the line on which each stands."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from mlflow_xfer.errors import Problems, XferError
from mlflow_xfer.lines import ordinary, whole

MAX_BYTES = 2 * 2**20
MAX_DEPTH = 30
MAX_VALUES = 200_000
Fast: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True)
class Located:
    """What a YAML file says."""

    path: Path
    value: Any
    root: yaml.Node | None

    def at(self, *keys: Any) -> str:
        """``file:line`` of the value under these keys, or of the nearest one above it that exists."""
        node, line = self.root, 1
        for key in keys:
            child = _child(node, key)
            if child is None:
                break
            name, node = child
            line = name.start_mark.line + 1
        return f"{self.path}:{line}"


def load(path: Path, loader_of: Any = None) -> Located:
    """Read a YAML file without running anything in it.

    Args:
        loader_of: what makes values of its texts; None: :class:`Loader`.

    Raises:
        XferError: unreadable, not YAML (with line and column), larger than a person writes, or a key that
            stands twice in a mapping.
    """
    try:
        ordinary(path, MAX_BYTES)
    except OSError as error:
        raise XferError(
            f"{path}: cannot be read ({error.strerror or error}).", "Check the path and its permissions."
        ) from None
    text = whole(path)
    try:
        _check_depth(path, text)
        loader = (loader_of or Loader)(text)
        root = loader.get_single_node()
        _check_size(path, root)
        problems = Problems()
        _twice(root, path, problems)
        problems.raise_if_any()
        value = loader.construct_document(root) if root is not None else None  # merges keys in the nodes too
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise XferError(
            f"{path}:{mark.line + 1 if mark else 1}: is not YAML ({error.problem or error.context}).",
            "Indent with blanks; quote texts that hold ': ' or begin with a sign.",
        ) from None
    except (
        yaml.YAMLError,
        ValueError,
        TypeError,
        RecursionError,
    ) as error:  # NULs, odd dates, unhashable keys, bombs
        raise XferError(f"{path}: is not YAML ({str(error).splitlines()[0]}).") from None
    return Located(path, value, root)


class Loader(Fast):
    """Plain values; numbers that YAML 1.1 writes in other ways than people do are refused, not converted."""


def _whole_number(loader: Loader, node: yaml.ScalarNode) -> int:
    value = yaml.constructor.SafeConstructor.construct_yaml_int(loader, node)  # pyright: ignore
    if str(value) != node.value.lstrip("+"):
        raise yaml.constructor.ConstructorError(
            None, None, f"{node.value} is {value} to YAML: put it in quotes", node.start_mark
        )
    return value


Loader.add_constructor("tag:yaml.org,2002:int", _whole_number)


def _check_depth(path: Path, text: str) -> None:
    depth = 0
    for event in yaml.parse(text, Loader=Fast):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            raise XferError(f"{path}:{event.start_mark.line + 1}: is nested more than {MAX_DEPTH} deep.")


def _check_size(path: Path, root: yaml.Node | None) -> None:
    """Refuse files whose aliases and merged keys stand for more than ``MAX_VALUES`` values, or for what they
    are part of.

    Nothing is expanded to find out.
    """
    sizes: dict[int, int] = {}

    def size(node: yaml.Node, above: frozenset[int]) -> int:
        if id(node) in above:
            raise XferError(f"{path}:{node.start_mark.line + 1}: a value holds itself.")
        if id(node) not in sizes:
            inside = node.value if isinstance(node, yaml.CollectionNode) else []
            parts = [part for one in inside for part in (one if isinstance(one, tuple) else (one,))]
            sizes[id(node)] = 1 + sum(size(part, above | {id(node)}) for part in parts)
        return sizes[id(node)]

    if root is not None and size(root, frozenset()) > MAX_VALUES:
        raise XferError(
            f"{path}: its aliases (*name) and merged keys (<<) stand for more than {MAX_VALUES:,} values.",
            "Write out what is meant.",
        )


def _child(node: yaml.Node | None, key: Any) -> tuple[yaml.Node, yaml.Node] | None:
    if isinstance(node, yaml.MappingNode):
        for name, value in reversed(node.value):  # its own keys stand after merged ones
            if name.value == str(key):
                return name, value
    if isinstance(node, yaml.SequenceNode) and isinstance(key, int) and key < len(node.value):
        return node.value[key], node.value[key]
    return None


def _twice(root: yaml.Node | None, path: Path, problems: Problems) -> None:
    """Report keys that stand twice in a mapping: YAML would silently keep the last."""
    todo, done = [root], set()
    while todo:
        node = todo.pop()
        if node is None or id(node) in done:
            continue
        done.add(id(node))
        if isinstance(node, yaml.MappingNode):
            seen: dict[str, int] = {}
            for name, value in node.value:
                if isinstance(name, yaml.ScalarNode) and name.value in seen and name.value != "<<":
                    problems.add(
                        f"{path}:{name.start_mark.line + 1}: {name.value!r} stands here a second time (first "
                        f"on line {seen[name.value]})."
                    )
                seen.setdefault(str(name.value), name.start_mark.line + 1)
                todo += [name, value]
        elif isinstance(node, yaml.SequenceNode):
            todo += node.value
