"""Opening a tracking store: all that can be wrong with it is found here, before any training."""

from __future__ import annotations

import logging
import os
import sqlite3
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from mlflow_xfer.durable.files import whole_file
from mlflow_xfer.durable.locks import held
from mlflow_xfer.errors import XferError
from mlflow_xfer.home import home, work
from mlflow_xfer.tracking import endpoint, experiments, outages, uris
from mlflow_xfer.tracking.names import redact

if TYPE_CHECKING:
    from mlflow import MlflowClient

HEALTH_SECONDS = 10.0
ADVISORY = 0x78666572  # names a lock in a PostgreSQL database
PROBE_SECONDS = 2.0  # for which artifacts that cannot be written are tried again: it may have been an outage

log = logging.getLogger(__name__)


def connect(
    experiment: str | None, default: str, probe: bool = True, make: bool = True
) -> tuple[MlflowClient, str, str]:
    """(client, tracking URI, experiment id); see :meth:`Store.open` for arguments and errors."""
    endpoint.quiet()
    uri = endpoint.tracking_uri()
    _check_folders()
    return endpoint.within(
        endpoint.open_seconds(uri), lambda: _connect(uri, experiment, default, probe, make), uri
    )


def _connect(
    uri: str, experiment: str | None, default: str, probe: bool, make: bool
) -> tuple[MlflowClient, str, str]:
    from mlflow import MlflowClient

    _check_answers(uri)
    path = uris.sqlite_path(uri)
    with _first_use(uri):
        if path and not path.exists():
            _refuse_job(path)
            if not make:
                raise XferError(
                    f"There is no tracking database {path}: nothing was run here.",
                    "Run something first (mlflow-xfer transfer …), or set MLFLOW_TRACKING_URI to the store "
                    "that holds the runs.",
                )
            _check_file(path, written=True)
            _make(path)
        elif path:
            _check_file(path, written=make)
        with _drivers(uri), _one_host(uri):
            client = MlflowClient(tracking_uri=uri)
            entity = experiments.find(client, experiment, default, make)
        if path:
            endpoint.use_wal(path)
    if probe and entity:
        _check_artifacts(entity.artifact_location, uri)
    return client, uri, entity.experiment_id if entity else ""


def _check_folders() -> None:
    """Make :func:`home` and :func:`work`, for this user alone, and write to them.

    Raises:
        XferError: they cannot be made or written, or their disk is full.
    """
    for name, folder in (("XFER_HOME", home()), ("XFER_WORK", work())):
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder) as file:
                file.write(b"x" * 4096)
        except OSError as error:
            raise XferError(
                f"{name}={folder} cannot be used: {error.strerror or error}.",
                f"Set {name} to a folder of yours on a disk with room: caches, checkpoints and the states of "
                "trainings lie there.",
            ) from error


def _check_answers(uri: str) -> None:
    """Short requests, so that a server that is down or refuses us is reported at once, not after retries."""
    if not uris.is_server(uri):
        return
    import requests
    from mlflow.utils.credentials import get_default_host_creds
    from mlflow.utils.rest_utils import http_request

    try:
        # Any answer counts here, a proxy's log-in page too: the client's own requests say what is wrong
        # with it.
        requests.get(uri.rstrip("/") + "/health", timeout=HEALTH_SECONDS)
    except requests.RequestException as error:
        raise outages.unreachable(uri, error) from error
    answer = http_request(
        get_default_host_creds(uri),
        "/api/2.0/mlflow/experiments/search",
        "POST",
        max_retries=0,
        raise_on_status=False,
        json={"max_results": 1},
    )  # the client's own errors do not always tell the status
    assert answer is not None, "it raises where there is none"
    if answer.status_code in outages.DENIED:
        raise outages.denied(uri, answer.status_code, answer.text)


def _first_use(uri: str) -> AbstractContextManager[None]:
    """Held while a database may be created: two processes migrating one new file at once would fail."""
    path = uris.sqlite_path(uri)
    if path and not path.parent.is_dir():
        raise XferError(
            f"The folder of the tracking database {path} does not exist.",
            "Create it, or set MLFLOW_TRACKING_URI.",
        )
    return held(home() / "locks" / f"store-{endpoint.store_key(uri)}.lock", endpoint.open_seconds(uri))


def _check_file(path: Path, written: bool) -> None:
    """Raise :class:`XferError` for what MLflow would retry for a minute: a path that is no SQLite file, or,
    where it is to be ``written``, that this user can only read, or whose folder is, where SQLite keeps its
    journal."""
    if path.exists() and not _is_sqlite(path):
        raise XferError(
            f"The tracking database {path} is no SQLite file.",
            "Set MLFLOW_TRACKING_URI to sqlite:///FILE, where FILE is one, or is not there yet.",
        )
    for place in (path, path.parent) if written else ():
        if place.exists() and not os.access(place, os.W_OK):
            raise XferError(
                f"The tracking database {path} cannot be written: {place} is read-only for this user.",
                "Give the right to write, or set MLFLOW_TRACKING_URI to another database.",
            )


def _is_sqlite(path: Path) -> bool:
    """Whether SQLite takes the file for its own. SQLite is asked: a process that opens the file by hand and
    closes it loses the locks of all its connections, and another one then removes the log that they write
    to (https://sqlite.org/howtocorrupt.html, 2.2)."""
    if not path.is_file():
        return False
    try:
        with closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True)) as database:
            database.execute("PRAGMA schema_version")
    except sqlite3.Error as error:  # what else is wrong MLflow says
        return getattr(error, "sqlite_errorcode", None) != sqlite3.SQLITE_NOTADB
    return True


@contextmanager
def _drivers(uri: str) -> Iterator[None]:
    """Turns an address that MLflow does not know, or whose driver is not installed, into an
    :class:`XferError`."""
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import NoSuchModuleError

    try:
        yield
    except (ImportError, NoSuchModuleError) as error:
        name = getattr(error, "name", None)
        raise XferError(
            f"The tracking store {redact(uri)} needs "
            + (f"the package {name}, which is not installed." if name else f"a driver: {error}."),
            "Install it (psycopg: pip install 'psycopg[binary]'; psycopg2: pip install psycopg2-binary; "
            "pymysql: pip install pymysql), or name another one: postgresql+psycopg2://…, mysql+pymysql://…",
        ) from error
    except MlflowException as error:
        if not type(error).__name__.startswith("Unsupported"):
            raise
        raise XferError(
            f"MLflow knows no tracking store of the kind {redact(uri)}.",
            "Set MLFLOW_TRACKING_URI to http(s)://…, postgresql://…, mysql://…, mssql://… or sqlite:///…",
        ) from error


@contextmanager
def _one_host(uri: str) -> Iterator[None]:
    """Held by one host at a time while tables may be made in PostgreSQL: of two that make them one fails."""
    if not uri.startswith("postgresql"):
        yield
        return
    from sqlalchemy import create_engine, text
    from sqlalchemy.exc import SQLAlchemyError
    from sqlalchemy.pool import NullPool

    try:
        connection = create_engine(uri, poolclass=NullPool, isolation_level="AUTOCOMMIT").connect()
    except SQLAlchemyError:  # MLflow says what is wrong, and waits where it may pass
        yield
        return
    with connection:  # which ends the lock, too
        connection.execute(text("SELECT pg_advisory_lock(:name)"), {"name": ADVISORY})
        yield


def _refuse_job(path: Path) -> None:
    """Refuse to make a database where a run of it is named already: a relative address was given in another
    folder, as ``mlflow run FOLDER`` does."""
    if os.environ.get("MLFLOW_RUN_ID"):
        raise XferError(
            f"MLFLOW_RUN_ID names a run, but there is no database {path}.",
            "Set MLFLOW_TRACKING_URI to an absolute address (sqlite:////folder/mlflow.db) before mlflow run.",
        )


def _make(path: Path) -> None:
    """Make a database with MLflow's tables, whole or not at all.

    MLflow makes them one by one: killed meanwhile, it leaves a file that it can never open again.
    """
    from mlflow import MlflowClient

    with whole_file(path) as part:
        MlflowClient(tracking_uri=uris.sqlite_uri(part)).search_experiments(max_results=1)


def _check_artifacts(location: str, uri: str) -> None:
    """Write and remove a small file where the experiment's artifacts go.

    Raises:
        XferError: it cannot be written (exit code 2), or cannot be reached (75).
    """
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    probe = f".xfer-probe-{uuid.uuid4().hex[:8]}"
    try:
        repository = get_artifact_repository(location, tracking_uri=uri)
        with tempfile.TemporaryDirectory() as folder:
            source = Path(folder) / "probe.txt"
            source.write_text("mlflow-xfer checks that artifacts can be written here\n", encoding="utf-8")
            endpoint.patiently(
                lambda: repository.log_artifact(str(source), probe), uri, log.debug, PROBE_SECONDS
            )
    except Exception as error:
        if isinstance(error, XferError):
            if isinstance(error, outages.Denied) or not outages.refused_again_and_again(error):
                raise
            error = error.__cause__ or error
        raise XferError(
            f"The artifact store {redact(location)} cannot be written: {outages.said(error)}",
            "Give write access, or choose another experiment (MLFLOW_EXPERIMENT_NAME) or another store; "
            "nothing was trained.",
        ) from error
    with suppress(Exception):  # a store that allows writing but not deleting keeps a 60-byte file
        repository.delete_artifacts(probe)
