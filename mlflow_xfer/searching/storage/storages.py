"""Opening what a search is kept in, one process at a time.

Optuna's storage is the truth of a search. Everything that can be wrong with a storage is found before
anything runs.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import optuna
from optuna.storages import BaseStorage

from mlflow_xfer.durable.locks import held
from mlflow_xfer.searching.storage import database, journal
from mlflow_xfer.searching.storage.patient import Patient
from mlflow_xfer.searching.storage.place import Place, hidden

EXCLUSIVE = "exclusive.lock"


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
