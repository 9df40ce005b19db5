"""Rows of the Hugging Face hub: pinned by commit, never by running a data set's code.

``XFER_HUB_MIRROR`` names a folder that is looked into first: ``<mirror>/<org>/<name>`` is a local copy of the
data set's repository (parquet files, README with its configurations), as ``datasets.load_dataset`` accepts
it.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from mlflow_xfer.data.labels import is_number
from mlflow_xfer.data.rows import Rows
from mlflow_xfer.durable.digests import combined, file_digest
from mlflow_xfer.errors import XferError
from mlflow_xfer.tasks.task import Hub, Part, Task, name_in, part_of

if TYPE_CHECKING:
    from datasets import Dataset

COMMIT = re.compile(r"[0-9a-f]{40}")
FALLBACK = "Without a network, give data=<folder>, or name local files in a task file (extends: {task})."


def config_of(source: Hub, language: str) -> str:
    """The configuration's name for this language."""
    return source.config.replace("{language}", name_in(source, language))


def split_of(source: Hub, split: str, language: str) -> str:
    """The split's name on the hub."""
    name = _part_of(source, split, language).paths[0]
    return name.replace("{language}", name_in(source, language))


def _part_of(source: Hub, split: str, language: str) -> Part:
    part = part_of(source, split, language)
    assert part, f"{source.path} declares no {split} split"
    return part


def locate(task: Task, source: Hub, index: int, split: str, language: str) -> Rows:
    """The rows; their identity is ``unresolved`` unless the commit is declared or in the local cache."""
    identities = [_identity(one, _known_commit(one), split, language) for one in _parts(source)]
    return Rows(task.name, split, language, "hub", source.path, _joined(identities), source=index)


def _known_commit(source: Hub) -> str | None:
    folder = mirrored(source.path)
    if folder:
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        return "mirror-" + combined(f"{path.relative_to(folder)}:{file_digest(path)}" for path in files)[:40]
    return (
        source.revision
        if COMMIT.fullmatch(source.revision)
        else _cached_commit(source.path, source.revision or "main")
    )


def _identity(source: Hub, commit: str | None, split: str, language: str) -> str:
    part = _part_of(source, split, language)
    piece = "" if part.share == (0.0, 1.0) else "[{}:{}]".format(*part.share)
    at, config = commit or source.revision or "main", config_of(source, language)
    known = f"hub:{source.path}@{at}:{config}:{split_of(source, split, language)}{piece}"
    return known if commit else f"unresolved:{known}"


def _joined(identities: list[str]) -> str:
    """One identity for several data sets; unresolved if one of them is."""
    known = "+".join(identity.removeprefix("unresolved:") for identity in identities)
    return (
        f"unresolved:{known}" if any(identity.startswith("unresolved:") for identity in identities) else known
    )


def resolve(source: Hub, rows: Rows) -> Rows:
    """``rows`` with the commits that the declared revisions have on the hub now."""
    identities = [
        _identity(
            one, _known_commit(one) or _asked(one.path, one.revision or "main"), rows.split, rows.language
        )
        for one in _parts(source)
    ]
    return replace(rows, identity=_joined(identities))


def _parts(source: Hub) -> tuple[Hub, ...]:
    """All data sets that the rows are made of."""
    return (source, *source.also, *source.questions)


@lru_cache(maxsize=256)
def _asked(path: str, revision: str) -> str:
    from huggingface_hub import HfApi

    try:
        return str(HfApi().dataset_info(path, revision=revision, timeout=30).sha)
    except Exception as error:  # the client raises requests', httpx's and its own errors
        raise _unreachable(path, "", error) from None


def mirrored(path: str) -> Path | None:
    """The local copy of a data set's repository, if ``XFER_HUB_MIRROR`` has one."""
    mirror = os.environ.get("XFER_HUB_MIRROR")
    folder = Path(mirror).expanduser().absolute() / path if mirror else None
    return folder if folder and folder.is_dir() else None


def _cached_commit(path: str, revision: str) -> str | None:
    """The commit that ``revision`` had when the data set was last loaded on this machine."""
    root = os.environ.get("HF_HUB_CACHE") or Path(os.environ.get("HF_HOME", "~/.cache/huggingface")) / "hub"
    try:
        commit = (
            (Path(root).expanduser() / f"datasets--{path.replace('/', '--')}" / "refs" / revision)
            .read_text()
            .strip()
        )
    except OSError:
        return None
    return commit if COMMIT.fullmatch(commit) else None


def load(task: Task, source: Hub, rows: Rows) -> Dataset:
    """The rows as the hub has them, in the data set's own columns.

    Raises:
        XferError: no network, no such data set, configuration or split; a data set that needs a script; a
            truncated conversion (``partial-``).
    """
    import datasets

    config, on_hub = config_of(source, rows.language), split_of(source, rows.split, rows.language)
    if "partial-" in on_hub:
        raise _partial(source.path, on_hub)
    folder = mirrored(source.path)
    commit = re.search(re.escape(source.path) + r"@([0-9a-f]{40}):", rows.identity)
    revision = None if folder else commit.group(1) if commit else source.revision or None
    try:
        named: Any = None
        if source.files:
            code = name_in(source, rows.language)
            named = {on_hub: source.files[rows.split].replace("{language}", code)}
        builder = datasets.load_dataset_builder(
            str(folder or source.path), name=config or None, data_files=named, revision=revision
        )
        files = [
            file for name in on_hub.split("+") for file in (builder.config.data_files or {}).get(name, ())
        ]
        if any("/partial-" in str(file) for file in files):
            raise _partial(source.path, on_hub)
        if not sys.stderr.isatty():
            datasets.disable_progress_bars()
        builder.download_and_prepare()
        return cast("Dataset", builder.as_dataset(split=on_hub))
    except XferError:
        raise
    except (ValueError, KeyError) as error:
        raise XferError(
            f"{source.path}: {str(error).splitlines()[0]}",
            f"Declared: config {config or '(none)'!r}, split {on_hub!r}. Ids and names can be changed in a "
            f"task file (extends: {task.name}).",
        ) from None
    except RuntimeError as error:
        if "scripts are no longer supported" in str(error):
            raise XferError(
                f"{source.path} needs a loading script, which is not run.",
                "Its converted files may load with revision: refs/convert/parquet (task file, extends: "
                + task.name
                + ").",
            ) from None
        raise _unreachable(source.path, task.name, error) from None
    except Exception as error:
        raise _unreachable(source.path, task.name, error) from None


def check_labels(task: Task, source: Hub, loaded: Dataset) -> None:
    """Refuse integer labels that the data set counts otherwise than the declaration does: a name that both
    have stands at another place there, whatever the case of its letters.

    Raises:
        XferError: with both orders.
    """
    from datasets import ClassLabel

    for column in ("label", "tags"):
        feature = loaded.features.get(
            source.columns.get(column, column) if isinstance(source.columns.get(column, column), str) else ""
        )
        feature = getattr(feature, "feature", feature)
        declared = tuple(source.labels) if not isinstance(source.labels, Mapping) else ()
        if not isinstance(feature, ClassLabel) or not declared:
            continue
        numbers = any(map(is_number, task.labels))  # read by name, see below
        same = sorted(feature.names) == sorted(declared) if numbers else _moved(feature.names, declared)
        if same and tuple(feature.names) != declared:
            raise XferError(
                f"{source.path}: its labels are {', '.join(feature.names)}; task {task.name!r} declares "
                f"them as {', '.join(declared)}.",
                "The order decides what 0, 1, … mean: correct the declaration.",
            )


def _moved(names: Sequence[str], declared: Sequence[str]) -> bool:
    """Whether a name is declared, but at another place."""
    places = {_plain(name): place for place, name in enumerate(declared)}
    return any(places.get(_plain(name), place) != place for place, name in enumerate(names))


def _plain(name: str) -> str:
    return re.sub(r"[\s_-]+", "-", name.strip().casefold())


def decoded(task: Task, source: Hub, loaded: Dataset) -> Iterator[dict[str, Any]]:
    """The rows of a data set, with the names of labels that it numbers where the task's names are numbers.

    Raises:
        XferError: its numbers are positions, and would be taken for other names that are declared.
    """
    from datasets import ClassLabel

    names: dict[str, list[str]] = {}
    for column in ("label", "tags"):
        where = source.columns.get(column, column)
        feature = loaded.features.get(where if isinstance(where, str) else "")
        feature = getattr(feature, "feature", feature)
        if not isinstance(feature, ClassLabel) or isinstance(source.labels, Mapping):
            continue
        if not any(map(is_number, task.labels)):
            continue
        if set(feature.names) <= set(task.labels):
            names[where] = feature.names
        elif [str(number) for number in range(len(feature.names))] != list(task.labels):
            raise XferError(
                f"{source.path}: its labels 0, 1, … are {', '.join(feature.names[:12])}; task {task.name!r} "
                f"declares {', '.join(task.labels[:12])}.",
                f"Say which is which: labels: {{0: {task.labels[0]!r}, …}}.",
            )
    for row in cast("Iterable[dict[str, Any]]", loaded):
        yield row | {name: _named(row[name], known) for name, known in names.items()}


def _named(value: Any, names: list[str]) -> Any:
    if isinstance(value, list):
        return [_named(one, names) for one in value]
    return names[value] if isinstance(value, int) and 0 <= value < len(names) else value


def _partial(path: str, split: str) -> XferError:
    return XferError(
        f"{path}: the {split!r} files are a truncated conversion (partial-).",
        "Take another revision or configuration: scores on a part do not compare.",
    )


def _unreachable(path: str, task: str, error: Exception) -> XferError:
    reason = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
    return XferError(
        f"{path} cannot be loaded from the hub: {reason}", FALLBACK.replace("{task}", task or "<task>")
    )
