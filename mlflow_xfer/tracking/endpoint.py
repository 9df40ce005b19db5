"""Reaching the tracking store: which one, how long to wait, and what to say when it does not answer."""

from __future__ import annotations

import hashlib
import logging
import os
import re
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from mlflow_xfer.durable.mounts import on_network
from mlflow_xfer.durable.patience import retried, server_patience
from mlflow_xfer.errors import TRY_AGAIN, XferError
from mlflow_xfer.tracking import uris
from mlflow_xfer.tracking.names import redact
from mlflow_xfer.tracking.uris import sqlite_path

T = TypeVar("T")

OPEN_SECONDS = 25.0  # an unreachable server is reported within 30 s, interpreter start included
# a database file is there or not; making its tables takes long where the machine is busy, and must not be cut
# off
FILE_SECONDS = 600.0

# MLflow answers with these when repeating the same request cannot help. Everything else (connection
# refused, time-outs, locked database, expired credentials) may pass, and waits in the spool.
_PERMANENT = {
    "ALREADY_EXISTS",
    "BAD_REQUEST",
    "ENDPOINT_NOT_FOUND",
    "INVALID_PARAMETER_VALUE",
    "INVALID_STATE",
    "MALFORMED_REQUEST",
    "NOT_IMPLEMENTED",
    "RESOURCE_ALREADY_EXISTS",
    "RESOURCE_DOES_NOT_EXIST",
    "NOT_FOUND",
}


_NOT_OF_MLFLOW = re.compile(r"failed with error code \d+ != \d+\. Response body:")
"""What MLflow's client says of an error without MLflow's JSON: a proxy's page, a server that is starting."""

DENIED = {401: "does not take these credentials", 403: "grants no right to this"}
"""HTTP statuses that say who one is, and what one may do."""

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


def is_transient(error: BaseException) -> bool:
    """Whether repeating the call that raised ``error`` can succeed later."""
    from mlflow.exceptions import MlflowException, RestException

    if isinstance(error, MlflowException):
        if not isinstance(error, RestException) and (
            _NOT_OF_MLFLOW.search(str(error)) or any(map(_is_outage, _behind(error)))
        ):  # the code is the client's guess, not what the store said
            return True
        return error.error_code not in _PERMANENT
    return _is_outage(error)


def _behind(error: BaseException) -> Iterator[BaseException]:
    """The errors that ``error`` was raised from or while handling."""
    seen = {id(error)}
    while (before := error.__cause__ or error.__context__) is not None and id(before) not in seen:
        seen.add(id(before))
        yield before
        error = before


def _is_outage(error: BaseException) -> bool:
    """Whether a request did not get through, or was answered by a server in trouble."""
    import requests
    from sqlalchemy.exc import OperationalError

    if isinstance(error, requests.HTTPError) and error.response is not None:
        status = error.response.status_code
        page = status not in DENIED and "html" in error.response.headers.get("Content-Type", "")
        return page or status >= 500 or status in (401, 408, 425, 429)
    return isinstance(error, (requests.RequestException, OperationalError, ConnectionError, TimeoutError))


def answered(error: BaseException) -> bool:
    """Whether the store itself answered (with an internal error), as opposed to not being there."""
    import requests
    from mlflow.exceptions import RestException

    return (
        isinstance(error, RestException)
        or isinstance(error, requests.HTTPError)
        and error.response is not None
    )


def refused_again_and_again(error: BaseException) -> bool:
    """Whether a server answered behind ``error``, and with errors of its own each time it was asked."""
    import requests

    return any(answered(one) or isinstance(one, requests.exceptions.RetryError) for one in _behind(error))


def said(error: BaseException, length: int = 300) -> str:
    """The first line of an error's message without secrets: MLflow's messages name the whole address."""
    return redact((str(error).strip().splitlines() or [type(error).__name__])[0])[:length]


def unreachable(uri: str, reason: BaseException | str) -> XferError:
    """The error for a store that does not answer (exit code 75: the same command can be repeated)."""
    return XferError(
        f"The tracking store {redact(uri)} cannot be reached: "
        f"{reason if isinstance(reason, str) else said(reason)}",
        "Check MLFLOW_TRACKING_URI and that the server runs, then repeat the command.",
        exit_code=TRY_AGAIN,
    )


class Denied(XferError):
    """The store is there and refuses these credentials (exit code 2: repeating the command does not help)."""


def denied_status(error: BaseException) -> int | None:
    """401 or 403 if that is why the store refused a call."""
    import requests
    from mlflow.exceptions import MlflowException

    if isinstance(error, MlflowException):
        status = error.get_http_status_code()
    elif isinstance(error, requests.HTTPError) and error.response is not None:
        status = error.response.status_code
    else:
        return None
    return status if status in DENIED else None


def denied(uri: str, status: int, answer: str) -> Denied:
    """The error for a store that answered with ``status`` of :data:`DENIED`."""
    plain = redact(" ".join(re.sub(r"<[^>]*>", " ", answer).split()))[:200]
    if "host header" in plain.lower():
        hint = (
            "Start the server with --allowed-hosts and the name in MLFLOW_TRACKING_URI, or use another name."
        )
    else:
        hint = (
            f"{'Set' if status == 401 else 'Ask for the right, or set other'} credentials: "
            "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN."
        )
    return Denied(f"The tracking store {redact(uri)} {DENIED[status]} (HTTP {status}): {plain}", hint)


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
