"""Reads what the user says about the space of a search:
a preset, ranges on the command line, or a YAML file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from mlflow_xfer.errors import Problems, XferError
from mlflow_xfer.params.values import typed
from mlflow_xfer.registry import unknown
from mlflow_xfer.searching.space import range_parsing, ranges
from mlflow_xfer.searching.space.ranges import PRESETS, Range
from mlflow_xfer.searching.space.space import Space
from mlflow_xfer.tasks import yaml_source


def read_space(
    space: str | Mapping[str, Any] | Path | None,
    pool: Sequence[str],
    *,
    min_tasks: int | None = None,
    max_tasks: int | None = None,
    combine: str = "joint",
    given: Mapping[str, Any] | None = None,
    mixing: str = "proportional",
) -> Space:
    """The space of a search, from its parameters.

    Args:
        space: a preset (``tasks``, ``mixing``, ``merging``, ``rates``, ``all``), ranges as text
            (``mlm_share=0:0.5,mixing=uniform|temperature``), a YAML file with the same names, or a mapping;
            None = ``tasks``. ``min_tasks`` and ``max_tasks`` may stand in it too.
        pool: names of the intermediate tasks, known to exist.
        given: parameters that the command itself sets to a value, by name; they win over a preset, and narrow
            a range that holds them.
        mixing: the command's ``mixing``, where the space leaves it alone.

    Raises:
        XferError: every contradiction at once.
    """
    problems, given = Problems(), dict(given or {})
    if len(set(pool)) < len(tuple(pool)):
        twice = sorted({name for name in pool if list(pool).count(name) > 1})
        problems.add(f"The pool names {', '.join(twice)} more than once.", "Name each task once.")
    pool = tuple(sorted(set(pool)))
    if not pool:
        problems.add(
            "The pool is empty: there is nothing to search.",
            "Name intermediate tasks: pool=nli,qa   See all: mlflow-xfer tasks",
        )
    written, explicit = _written(space, problems)
    limits = {"min_tasks": min_tasks, "max_tasks": max_tasks}
    for name in limits:
        limits[name] = _limit(name, limits[name], written.pop(name, None), problems)
    ranges = {}
    for name, value in written.items():
        try:
            ranges[name.replace("-", "_")] = range_parsing.read(name, value)
        except XferError as error:
            problems.add(error)
    lowest, highest = limits["min_tasks"] or 1, limits["max_tasks"] or len(pool)
    if pool and lowest > min(highest, len(pool)):
        problems.add(
            f"min_tasks={lowest} but subsets have at most {min(highest, len(pool))} tasks "
            f"(max_tasks={limits['max_tasks'] or 'all'}, pool of {len(pool)}).",
            "Lower min_tasks.",
        )
    _narrow(ranges, given, explicit, problems)
    mixing = str(given.get("mixing", mixing))
    kinds = {"mixing": mixing} | (
        {"merge_method": str(given.get("merge_method", "average"))} if combine == "merge" else {}
    )
    ranges = _meaningful(ranges, explicit, combine, highest if pool else 2, kinds, problems)
    problems.raise_if_any()
    return Space(pool, lowest, limits["max_tasks"], combine, tuple(ranges.values()), kinds)


def _written(space: str | Mapping[str, Any] | Path | None, problems: Problems) -> tuple[dict[str, Any], bool]:
    """``(what is written by name, whether the user wrote it)``:
    a preset is not the user's own word on each parameter.
    """
    if space is None or (isinstance(space, str) and space in ("auto", "none", "")):
        return {}, True
    if isinstance(space, str) and space in PRESETS:
        return dict.fromkeys(PRESETS[space], "open"), False
    if isinstance(space, Mapping):
        return {str(k): v for k, v in space.items()}, True
    text = str(space)
    if isinstance(space, Path) or text.endswith((".yaml", ".yml", ".json")) or "=" not in text:
        if not isinstance(space, Path) and not text.endswith((".yaml", ".yml", ".json")):
            problems.add(unknown("space", text, PRESETS))
            return {}, True
        try:
            return _from_file(Path(text)), True
        except XferError as error:
            problems.add(error)
            return {}, True
    written: dict[str, Any] = {}
    for part in filter(None, (p.strip() for p in text.split(","))):
        name, equals, value = part.partition("=")
        if not equals:
            problems.add(
                f"Part {part!r} of the space has no '='.",
                "Write name=range, separated by commas: mlm_share=0:0.5,mixing=uniform|temperature",
            )
        elif name in written:
            problems.add(f"The space names {name!r} twice.")
        written[name] = value
    return {name: value for name, value in written.items() if value != ""}, True


def _from_file(path: Path) -> dict[str, Any]:
    """Names with ranges. Plain values are taken as they are written:
    to YAML 1:5 is the number 65 (sixties), and 1e-5 a text.
    """
    file = yaml_source.load(path, yaml_source.Fast)
    if file.value is not None and not isinstance(file.value, dict):
        raise XferError(
            f"{path}: holds a {type(file.value).__name__}, not names with ranges.",
            "Write one range per line: mlm_share: 0:0.5",
        )
    written = {str(name): value for name, value in (file.value or {}).items()}
    plain = {
        name.value: node.value
        for name, node in getattr(file.root, "value", [])
        if isinstance(node, yaml.ScalarNode)
    }
    return written | {name: text for name, text in plain.items() if name in written}


def _limit(name: str, typed_value: int | None, written: Any, problems: Problems) -> int | None:
    if written is None:
        return typed_value
    if not str(written).isdigit() or int(written) < 1:
        problems.add(f"The space's {name}={written!r} is no positive whole number.")
        return typed_value
    if typed_value is not None and typed_value != int(written):
        problems.add(
            f"{name} is {typed_value} on the command line and {written} in the space.",
            "Leave one of them out.",
        )
    return int(written)


def _narrow(ranges: dict[str, Range], given: Mapping[str, Any], explicit: bool, problems: Problems) -> None:
    """Values that the command sets: they fix their range, if they lie within."""
    for name, r in list(ranges.items()):
        phase, _, bare = name.rpartition(".")
        if name not in given:
            if phase and bare in given and explicit:
                problems.add(
                    f"{bare}={typed(given[bare])} goes to every phase, but the space varies {name}.",
                    f"Drop {bare}, or take {name} out of the space.",
                )
            continue
        if explicit and not r.holds(given[name]):
            problems.add(
                f"{name}={typed(given[name])} lies outside its range in the space, {r}.",
                "Drop one of the two.",
            )
        del ranges[name]  # the command says it already
    for name in list(ranges):
        phase, _, bare = name.rpartition(".")
        if phase and bare in ranges:
            problems.add(
                f"The space varies both {bare} (every phase) and {name}.",
                "Vary the phases one by one: intermediate." + bare + ", target." + bare,
            )


def _meaningful(
    by_name: dict[str, Range],
    explicit: bool,
    combine: str,
    most: int,
    kinds: Mapping[str, str],
    problems: Problems,
) -> dict[str, Range]:
    """Without the ranges that can never mean anything; those that the user wrote are faults."""
    kept = {}
    for name, r in by_name.items():
        reason = _meaningless(name, by_name, combine, most, kinds) if ranges.way(name) else ""
        if not reason:
            kept[name] = r
        elif explicit:
            problems.add(f"The space varies {name}, but {reason}.", f"Take {name} out of the space.")
    return kept


def _meaningless(
    name: str, by_name: Mapping[str, Range], combine: str, most: int, kinds: Mapping[str, str]
) -> str:
    """Why a parameter of mixing or merging can never mean anything; empty if it can."""
    needed, kind = ranges.way(name), ranges.chosen_by(name)
    does = "mixes no batches" if needed == "joint" else "merges no weights"
    if combine != needed:
        return f"combine={combine} {does}"
    if most < 2:
        return "subsets of one task are not mixed or merged"
    values = (by_name[kind].values() or ()) if kind in by_name else (kinds[kind],)
    return (
        ""
        if any(ranges.meant(name, value) for value in values)
        else f"{kind}={'|'.join(values)} has no {name.split('_', 1)[1]}"
    )
