"""Reaching the tracking store: which one, and how long to wait for it."""

from __future__ import annotations

import hashlib
import logging
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from mlflow_xfer.durable.mounts import on_network
from mlflow_xfer.durable.patience import retried, server_patience
from mlflow_xfer.errors import XferError
from mlflow_xfer.tracking import uris
from mlflow_xfer.tracking.names import redact
from mlflow_xfer.tracking.outages import answered, denied, denied_status, is_transient, said, unreachable
from mlflow_xfer.tracking.uris import sqlite_path

T = TypeVar("T")

OPEN_SECONDS = 25.0  # an unreachable server is reported within 30 s, interpreter start included
# a database file is there or not; making its tables takes long where the machine is busy, and must not be cut
# off
FILE_SECONDS = 600.0

# MLflow's client retries a failed request for four minutes. Here the spool is what keeps a record, so a
# request gives up after seconds and is repeated by whoever owns it.
_DEFAULTS = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "GIT_PYTHON_REFRESH": "quiet",
}


def quiet() -> None:
    """Process-wide MLflow settings, each only where the user has not chosen one."""
    for name, value in _DEFAULTS.items():
        os.environ.setdefault(name, value)
    for name in ("mlflow.store.db.utils", "alembic"):  # they announce every table of a new database
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger("urllib3.connectionpool").setLevel(
        logging.ERROR
    )  # an outage is one message of ours, not one per try


@contextmanager
def long_requests(seconds: int = 900) -> Iterator[None]:
    """Longer time-outs while a checkpoint moves: a server may pass gigabytes on before it answers."""
    name, chosen = "MLFLOW_HTTP_REQUEST_TIMEOUT", os.environ.get("MLFLOW_HTTP_REQUEST_TIMEOUT")
    if chosen is None or chosen != _DEFAULTS[name]:  # the user's own choice
        yield
        return
    os.environ[name] = str(seconds)
    try:
        yield
    finally:
        os.environ[name] = chosen


def tracking_uri() -> str:
    """The active tracking URI, SQLite paths made absolute so that they mean the same in every folder.

    Raises:
        XferError: the active store is a plain folder, which MLflow 3.13 and later refuse, or a database in
            memory, or no address.
    """
    import mlflow

    uri = mlflow.get_tracking_uri()
    scheme = uris.scheme(uri)
    if scheme == "file" or not scheme and uri not in ("databricks", "databricks-uc"):
        raise XferError(
            f"The tracking store {uri!r} is a plain folder of files, which MLflow no longer writes to.",
            "Set MLFLOW_TRACKING_URI to a database (sqlite:///mlflow.db) or to a server's address. "
            "Earlier runs move with: mlflow migrate-filestore --source ./mlruns --target sqlite:///mlflow.db",
        )
    if scheme.startswith("sqlite") and uris.sqlite_path(uri) is None:
        raise XferError(
            f"The tracking store {uri!r} is a database in memory: it would be gone with the command.",
            "Name a file: sqlite:///mlflow.db",
        )
    return uris.absolute(uri)


def store_key(uri: str) -> str:
    """A short name for a tracking store in local paths; credentials do not matter."""
    return hashlib.sha256(redact(uri).encode()).hexdigest()[:16]


def open_seconds(uri: str) -> float:
    """How long opening the store at ``uri`` may take."""
    return FILE_SECONDS if sqlite_path(uri) else OPEN_SECONDS


def within(seconds: float, call: Callable[[], T], uri: str) -> T:
    """``call()``, or the unreachable error once ``seconds`` have passed or it fails transiently.

    The call goes on in a daemon thread when time is up: a socket that never answers cannot be
    interrupted from outside.
    """
    outcome: list[T] = []
    failure: list[BaseException] = []

    def target() -> None:
        try:
            outcome.append(call())
        except BaseException as error:  # handed to the caller's thread, whatever it is
            failure.append(error)

    thread = threading.Thread(target=target, name="xfer-open", daemon=True)
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        raise unreachable(uri, f"no answer within {seconds:.0f} s")
    if failure:
        if status := denied_status(failure[0]):
            raise denied(uri, status, said(failure[0])) from failure[0]
        if is_transient(failure[0]):
            raise unreachable(uri, failure[0]) from failure[0]
        raise failure[0]
    return outcome[0]


def patiently(
    call: Callable[[], T], uri: str, warn: Callable[[str], object], seconds: float | None = None
) -> T:
    """``call()``, repeated while the store is away, for up to ``seconds`` (``$XFER_SERVER_PATIENCE``, 600).

    For calls whose answer is needed before work can go on. Raises the unreachable error after that;
    a store that answers with errors of its own is asked five times, one that denies a right once. Credentials
    that are refused may be renewed meanwhile.
    """
    limit = server_patience() if seconds is None else seconds
    answers = 0

    def passing(error: Exception) -> bool:
        nonlocal answers
        answers += answered(error)
        return is_transient(error) and answers < 5

    def over(error: Exception) -> XferError:
        status = denied_status(error)
        return denied(uri, status, said(error)) if status else unreachable(uri, error)

    def called() -> T:
        try:
            return call()
        except Exception as error:
            if denied_status(error) == 403:
                raise over(error) from error
            raise

    return retried(
        called,
        limit,
        passing=passing,
        over=over,
        told=lambda: warn(
            f"The tracking store {redact(uri)} does not answer; waiting for it up to {limit:.0f} s."
        ),
    )


def use_wal(path: Path) -> bool:
    """Switch the SQLite file ``path`` to write-ahead logging, under which readers never block writers.

    Left alone on network file systems, where WAL is unsafe, and where ``XFER_SQLITE_WAL=false``.
    """
    if os.environ.get("XFER_SQLITE_WAL", "true").lower() in ("false", "0") or on_network(path):
        return False
    try:
        connection = sqlite3.connect(path, timeout=5.0)
        try:
            return connection.execute("PRAGMA journal_mode=WAL").fetchone()[0] == "wal"
        finally:
            connection.close()
    except sqlite3.Error:
        return False


def write_back(path: Path) -> None:
    """Bring what the write-ahead log holds into the SQLite file ``path`` itself, unless a reader is in the
    way: whoever copies the file alone then has all of it. Nobody waits for this."""
    with suppress(sqlite3.Error), closing(sqlite3.connect(path, timeout=1.0)) as connection:
        connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
