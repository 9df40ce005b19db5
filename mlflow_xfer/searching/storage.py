"""Opening what a search is kept in, one process at a time, and how many workers it serves.

Optuna's storage is the truth of a search. A journal file serves the processes of one host, SQLite one
process, PostgreSQL and MySQL any number of hosts. Everything that can be wrong with a storage is found before
anything runs.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import optuna
from optuna.storages import BaseStorage

from mlflow_xfer.durable.locks import held
from mlflow_xfer.errors import XferError
from mlflow_xfer.searching import database, journal
from mlflow_xfer.searching.patient import Patient
from mlflow_xfer.searching.place import Place, hidden
from mlflow_xfer.tracking import endpoint

MLFLOW_SQLITE_WORKERS = 4
EXCLUSIVE = "exclusive.lock"


def check_workers(where: Place, workers: int, tracking_uri: str, running: int = 0) -> None:
    """Whether so many workers may share this storage and this tracking store.

    Args:
        workers: processes of this command.
        running: workers of other commands that run trials of this study now.

    Raises:
        XferError: they may not; the remedy is named.
    """
    if where.kind == "sqlite" and workers + running > 1:
        raise XferError(
            f"{workers + running} workers cannot share {where.shown}: Optuna on SQLite serves one worker.",
            "Use storage=auto (a journal file; several workers on one host) or storage=postgresql://… "
            "(several hosts), or workers=1.",
        )
    if endpoint.sqlite_path(tracking_uri) and workers + running > MLFLOW_SQLITE_WORKERS:
        raise XferError(
            f"{workers + running} workers would write to one SQLite tracking store, which serves "
            f"{MLFLOW_SQLITE_WORKERS}.",
            "Start a server (mlflow server --backend-store-uri sqlite:///mlflow.db, or better a PostgreSQL "
            "database) and set MLFLOW_TRACKING_URI=http://…, or use fewer workers.",
        )


def open_storage(where: Place) -> BaseStorage:
    """The storage, its tables made if need be.

    Raises:
        XferError: it belongs to something else, was made by another version, or is away (75).
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    if where.kind == "journal":
        return journal.open_journal(where.file)
    if where.kind == "sqlite":
        where.leases.mkdir(exist_ok=True)
        return database.open_database(where.url, where.kind, held(where.leases / EXCLUSIVE), hidden)
    return database.open_database(where.url, where.kind, None, hidden)


@contextmanager
def exclusive(where: Place, storage: BaseStorage) -> Iterator[None]:
    """One process at a time, among all that use this storage; it ends with the process that holds it."""
    if where.is_server:
        assert isinstance(storage, Patient), "a server's storage is patient"
        with database.advisory_lock(storage.database.engine, where.kind):
            yield
    else:
        with held(where.leases / EXCLUSIVE):
            yield
