"""Where rows come from: the hub, a folder in XTREME's ``download/`` layout, a task file, the embedded suite.

``locate`` finds and identifies rows without reading them, ``check`` says what is wrong with them, ``read``
reads them. Nothing here imports torch, and ``datasets`` only when rows are read.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from mlflow_xfer import languages
from mlflow_xfer.data import origins
from mlflow_xfer.data.reading import check, read, read_text, subset
from mlflow_xfer.data.rows import Rows
from mlflow_xfer.data.texts import load_texts
from mlflow_xfer.durable.digests import combined, file_digest
from mlflow_xfer.errors import XferError
from mlflow_xfer.lines import Malformed, Unscored, looked_for, names_in, ordinary
from mlflow_xfer.registry import unknown
from mlflow_xfer.tasks.task import POOL, SPLITS, Files, Generated, Hub, Part, Source, Task, name_in, part_of

__all__ = [
    "Malformed",
    "Rows",
    "Unscored",
    "available",
    "check",
    "in_folder",
    "is_file",
    "load_texts",
    "locate",
    "looked_at",
    "provider_of",
    "read",
    "read_text",
    "resolve",
    "subset",
    "with_labels",
]


def provider_of(data: str) -> str:
    """The provider that a value of the ``data`` parameter selects: ``hub``, ``mini`` or ``folder``."""
    return data if data in ("hub", "mini") else "folder"


def locate(task: Task, split: str, language: str, data: str, *, seed: int = 0) -> Rows | None:
    """The rows of a split in one language, or None where a known language has none.

    Tasks of a task file keep their own files whatever ``data`` says. ``seed`` is the replicate's:
    the embedded suite's concept split follows from it.

    Raises:
        XferError: unknown split or language, no such folder, a file that a task file names is missing, or the
            task has no data with this provider.
    """
    if split not in SPLITS and split != POOL:
        raise unknown("split", split, SPLITS)
    code = languages.get(language).code
    provider, sources = _sources(task, data)
    for index, source in enumerate(sources):
        found = _located(task, source, index, provider, split, code, data, seed)
        if found:
            return found
    return None


def available(task: Task, split: str, data: str) -> tuple[str, ...]:
    """Languages that have this split, the task's own first."""
    provider, sources = _sources(task, data)
    candidates = dict.fromkeys([*task.languages, *task.train_languages, *languages.known()])
    return tuple(
        code
        for code in candidates
        if any(_has(task, source, provider, split, code, data) for source in sources)
    )


def in_folder(task: Task, split: str, language: str, data: str) -> list[tuple[Files, dict[str, Path]]]:
    """The sources of a folder that declare a split, each with the files that it would lie in, by their names
    with ``{language}``; none where the data are no folder."""
    provider, sources = _sources(task, data)
    found, code = [], languages.get(language).code
    for source in sources if provider == "folder" else ():
        if isinstance(source, Files) and (part := part_of(source, split, code)):
            root, name = _root(provider, data), name_in(source, code)
            files = {str(root / path): root / path.replace("{language}", name) for path in part.paths}
            found.append((source, files))
    return found


def looked_at(task: Task, split: str, language: str, data: str) -> str:
    """Which files of a folder would hold a split, for a message that they are not there; empty elsewhere."""
    found = in_folder(task, split, language, data)
    return ", ".join(str(path) for _, files in found for path in files.values())


def with_labels(task: Task, data: str) -> Task:
    """``task`` with the label names that a file holds,
    for tasks whose declaration has none (CCG's supertags).

    Raises:
        XferError: the file cannot be read.
    """
    provider, sources = _sources(task, data)
    named = [source.label_file for source in sources if isinstance(source, Files) and source.label_file]
    if task.labels or not named:
        return task
    return replace(task, labels=names_in(_root(provider, data) / named[0]))


def resolve(task: Task, rows: Rows) -> Rows:
    """``rows`` with the hub's commit filled in;
    asks the hub once per data set. Others are returned as they are.

    Raises:
        XferError: the hub cannot be reached.
    """
    if rows.provider != "hub" or rows.resolved:
        return rows
    return origins.hub().resolve(task.sources["hub"][rows.source], rows)


# -- by provider ---------------------------------------------------------------------------------------------
def _sources(task: Task, data: str) -> tuple[str, tuple[Source, ...]]:
    provider = "file" if "file" in task.sources else provider_of(data)
    if provider == "folder" and not _is_folder(Path(data).expanduser()):
        raise XferError(
            f"data={data}: {looked_for(data, 'folder')}",
            "Accepted: hub, mini, or a folder in XTREME's download/ layout.",
        )
    if provider not in task.sources:
        have = ", ".join("data=<folder>" if p == "folder" else f"data={p}" for p in task.sources)
        raise XferError(f"Task {task.name!r} has no data with data={data}.", f"It has: {have}")
    return provider, task.sources[provider]


def _root(provider: str, data: str) -> Path:
    return Path(data).expanduser().absolute() if provider == "folder" else Path()


def _located(
    task: Task, source: Source, index: int, provider: str, split: str, language: str, data: str, seed: int
) -> Rows | None:
    if not _has(task, source, provider, split, language, data):
        return None
    if isinstance(source, Generated):
        mini = origins.mini()
        params = mini.parameters(source.name, seed)
        identity = f"mini:{mini.VERSION}:{source.name}:{json.dumps(params, sort_keys=True)}"
        return Rows(task.name, split, language, provider, "mini", identity, params, source=index)
    if isinstance(source, Hub):
        return origins.hub().locate(task, source, index, split, language)
    part = part_of(source, split, language)
    paths = _paths(source, split, language, _root(provider, data)) or ()
    assert part is not None, "a source that has the split has its declaration"
    ids, exclude = (
        str(_root(provider, data) / name) if name else "" for name in (part.ids, part.exclude_ids)
    )
    named = (*paths, *(Path(name) for name in (ids, exclude) if name))
    missing = [path for path in named if not is_file(path)]
    if missing:
        for path in missing:
            with suppress(OSError, ValueError):  # no such file
                ordinary(path)
        raise XferError(
            f"Task {task.name!r}, {split} split: no such file: {', '.join(map(str, missing))}.",
            "Paths in a task file are relative to its folder.",
        )
    digests = [file_digest(path) for path in paths] + [
        file_digest(name) if name else "" for name in (ids, exclude)
    ]
    plain = len(paths) == 1 and part == Part(part.paths)
    digest = digests[0] if plain else combined([*digests, str(part.share)])
    where = " + ".join(map(str, paths))
    return Rows(
        task.name,
        split,
        language,
        provider,
        where,
        f"sha256:{digest}",
        {},
        tuple(map(str, paths)),
        ids,
        exclude,
        index,
    )


def _has(task: Task, source: Source, provider: str, split: str, language: str, data: str) -> bool:
    """Whether the source has the split in this language;
    a file that a task file names counts before it exists.
    """
    if isinstance(source, Generated):
        mini = origins.mini()
        return (
            split in source.splits
            and language in mini.languages()
            and (language in task.languages or split == "train")
        )
    if split not in source.splits:
        return False
    declared = source.languages.get(split) or (task.train_languages if split == "train" else task.languages)
    if isinstance(source, Hub):
        return language in declared
    part = part_of(source, split, language)
    if part is None:
        return False
    by_name = any("{language}" in path for path in part.paths)
    by_mapping = isinstance(source.splits[split], Mapping)
    if (split in source.languages or not (by_name or by_mapping)) and language not in declared:
        return False
    paths = _paths(source, split, language, _root(provider, data)) or ()
    return (provider == "file" and not by_name) or all(is_file(path) for path in paths)


# -- files ---------------------------------------------------------------------------------------------------
def _paths(source: Files, split: str, language: str, root: Path) -> tuple[Path, ...] | None:
    part = part_of(source, split, language)
    code = name_in(source, language)
    return part and tuple(root / path.replace("{language}", code) for path in part.paths)


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False


def is_file(path: Path) -> bool:
    """Whether there is such a file, that may be looked at."""
    try:
        return path.is_file()
    except (OSError, ValueError):  # a name that is too long, holds a NUL, or a folder that may not be entered
        return False
