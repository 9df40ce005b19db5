"""Reading artifacts, wherever they lie."""

from __future__ import annotations

import json
import posixpath
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlflow_xfer.durable.manifest import is_inside
from mlflow_xfer.errors import XferError
from mlflow_xfer.tracking.names import redact
from mlflow_xfer.tracking.uris import local_folder

if TYPE_CHECKING:
    from mlflow.entities import FileInfo
    from mlflow.store.artifact.artifact_repo import ArtifactRepository

    from mlflow_xfer.tracking.session import Session

DEEPEST = 20  # folders in folders


def read(store: Session, location: str, path: str) -> bytes | None:
    """The bytes of the file ``path`` under the artifact location of a run or model; None if there is none."""
    if (folder := local_folder(location)) is not None:
        file = folder / path
        return file.read_bytes() if is_inside(path) and file.is_file() else None
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    repository = get_artifact_repository(location, tracking_uri=store.uri)

    def download() -> bytes | None:
        # Asked first: a server answers the download of a file that is not there with an internal error.
        if sizes(repository, posixpath.dirname(path)).get(path) is None:
            return None
        with tempfile.TemporaryDirectory() as folder:
            return Path(repository.download_artifacts(path, folder)).read_bytes()

    return store.ask(download)


def read_json(store: Session, uri: str, path: str) -> Any | None:
    """The value of the JSON file ``path`` under the artifacts at ``uri``; None if there is none.

    Raises:
        XferError: it is cut short, or no JSON.
    """
    content = read(store, uri, path)
    try:
        return None if content is None else json.loads(content)
    except ValueError as error:
        raise damaged(uri, path, str(error)) from error


def damaged(uri: str, path: str, why: str) -> XferError:
    return XferError(
        f"{path} among the artifacts {redact(uri)} is damaged: {why}.",
        "Make the run again with reuse=never; its other artifacts may have suffered, too.",
    )


def read_table(store: Session, uri: str, path: str) -> list[dict[str, Any]] | None:
    """The rows of a table that :meth:`Recorder.table` logged under the artifacts at ``uri``; None if there is
    none.

    Raises:
        XferError: it is cut short, or no table.
    """
    table = read_json(store, uri, path)
    try:
        return table and [dict(zip(table["columns"], row, strict=True)) for row in table["data"]]
    except (KeyError, TypeError, ValueError) as error:
        raise damaged(uri, path, f"no table ({error})") from error


def exists(store: Session, location: str, path: str) -> bool:
    """Whether there is a file or folder ``path`` under the artifact location."""
    if (folder := local_folder(location)) is not None:
        return is_inside(path) and (folder / path).exists()
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    repository = get_artifact_repository(location, tracking_uri=store.uri)
    entries = store.ask(lambda: listed(repository, posixpath.dirname(path)))
    return any(entry.path == path for entry in entries)


def check_arrived(repository: ArtifactRepository, files: Mapping[str, int]) -> None:
    """Raise :class:`ConnectionError` unless the repository lists all ``files`` with their sizes.

    MLflow's client takes any answer with status 200 to an upload for success, a proxy's page too.
    """
    there: dict[str, int | None] = {}
    for folder in {posixpath.dirname(path) for path in files}:
        there |= sizes(repository, folder)
    for path, size in files.items():
        if path not in there or there[path] not in (None, size):
            raise ConnectionError(f"{path} was sent, and is not among the artifacts")


def listed(repository: ArtifactRepository, folder: str) -> list[FileInfo]:
    """What stands in ``folder``, by names that are checked: they come from whoever may write to the store."""
    from mlflow.exceptions import MlflowException

    try:
        entries = repository.list_artifacts(folder or None)
    except MlflowException as error:
        if "Invalid path" not in str(error):
            raise
        raise _outside(folder, "a file") from error
    for entry in entries:
        if not is_inside(entry.path) or entry.path.count("/") > DEEPEST:
            raise _outside(folder, repr(entry.path))
    return entries


def _outside(folder: str, name: str) -> XferError:
    return XferError(
        f"The artifact store lists {name} in {folder or 'a run'}, which cannot stand there.",
        "Nothing is read from it. Look at the run's artifacts, or ask whoever runs the store.",
    )


def sizes(repository: ArtifactRepository, folder: str = "", *, deep: bool = False) -> dict[str, int | None]:
    """Size in bytes of every file in ``folder``, by path; with ``deep`` in its folders too.
    None where the store does not say it.

    Raises:
        XferError: a name leads out of the folder, or folders stand in each other without end.
    """
    by_path: dict[str, int | None] = {}
    for entry in listed(repository, folder):
        if not entry.is_dir:
            by_path[entry.path] = entry.file_size
        elif deep:
            by_path |= sizes(repository, entry.path, deep=True)
    return by_path


def files_under(store: Session, location: str, folder: str) -> dict[str, bytes]:
    """The files of ``folder`` under the artifact location, by path; none where there is no such folder."""
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    repository = get_artifact_repository(location, tracking_uri=store.uri)
    found: dict[str, bytes] = {}
    for path in store.ask(lambda: sizes(repository, folder, deep=True)):
        content = read(store, location, path)
        if content is not None:
            found[path] = content
    return found
