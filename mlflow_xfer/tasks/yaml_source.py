"""YAML with places: plain values, and the line on which each stands."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from mlflow_xfer.errors import Problems, XferError


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
            found = _child(node, key)
            if found is None:
                break
            name, node = found
            line = name.start_mark.line + 1
        return f"{self.path}:{line}"


def load(path: Path) -> Located:
    """Read a YAML file without running anything in it.

    Raises:
        XferError: unreadable, not YAML (with line and column), or a key that stands twice in a mapping.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise XferError(f"{path}: cannot be read ({error.strerror or error}).", "Check the path.") from None
    except UnicodeDecodeError as error:
        raise XferError(
            f"{path}: is not UTF-8 ({error.reason} at byte {error.start}).", "Convert the file to UTF-8."
        ) from None
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        value = yaml.safe_load(text)
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
    problems = Problems()
    _twice(root, path, problems)
    problems.raise_if_any()
    return Located(path, value, root)


def _child(node: yaml.Node | None, key: Any) -> tuple[yaml.Node, yaml.Node] | None:
    if isinstance(node, yaml.MappingNode):
        for name, value in node.value:
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
