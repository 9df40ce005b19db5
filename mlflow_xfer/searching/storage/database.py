"""Optuna's storage in a database: made once,
refused where it belongs to something else, waited for while it is away.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import optuna
import sqlalchemy
from optuna.exceptions import StorageInternalError
from optuna.storages import BaseStorage, RDBStorage
from sqlalchemy.exc import ArgumentError, DatabaseError, InterfaceError, NoSuchModuleError, OperationalError

from mlflow_xfer.errors import TRY_AGAIN, XferError
from mlflow_xfer.searching.storage.patient import Patient, said

CONNECT_SECONDS = 10
LOCK_SECONDS = 60
LOCK = "mlflow-xfer"
_DRIVERS = {
    "postgresql": ("psycopg", "psycopg2"),
    "mysql": ("MySQLdb", "pymysql"),
}  # module names; the first is SQLAlchemy's own choice
_INSTALL = {"postgresql": "psycopg2-binary", "mysql": "pymysql"}
_REFUSED = (
    "authentication failed",
    "does not exist",
    "access denied",
    "unknown database",
    "pg_hba.conf",
    "permission denied",
    "no password supplied",
)


def open_database(
    url: str, kind: str, lock: AbstractContextManager[None] | None, hidden: Callable[[str], str]
) -> BaseStorage:
    """The storage at ``url``.

    Args:
        kind: ``sqlite``, ``postgresql`` or ``mysql``.
        lock: of a file, held while its tables are made; servers have their own.
        hidden: takes credentials out of a message.

    Raises:
        XferError: no such driver or database, not ours, of another version of Optuna; away (75).
    """
    shown = hidden(url)
    url = with_driver(url, kind)
    try:
        options: dict[str, Any] = (
            {"connect_args": {"timeout": 20}}
            if kind == "sqlite"
            else {"connect_args": {"connect_timeout": CONNECT_SECONDS}, "pool_pre_ping": True}
        )
        engine = sqlalchemy.create_engine(url, **options)
        _check_tables(engine, shown)
        with lock or advisory_lock(engine, kind):
            storage = _make(url, kind, options)
        engine.dispose()
    except ImportError as error:
        raise XferError(
            f"No driver for {shown}: {error}.", f"Install it: pip install {_INSTALL.get(kind, kind)}"
        ) from error
    except (ArgumentError, NoSuchModuleError, ValueError) as error:
        raise XferError(
            f"The storage {shown} is no address of a database: {hidden(str(error))}",
            "Spell it like postgresql://user:password@host:5432/database; characters such as @ in a "
            "password as %40.",
        ) from error
    except (OperationalError, InterfaceError, StorageInternalError) as error:
        message = said(
            error.__cause__ if isinstance(error, StorageInternalError) and error.__cause__ else error
        )
        if any(sign in message.lower() for sign in _REFUSED):
            raise XferError(
                f"The database refuses {shown}: {hidden(message)}",
                "Check user, password and database name; create the database with: createdb NAME",
            ) from error
        raise XferError(
            f"The storage {shown} cannot be reached: {hidden(message)}",
            "Check the address and that the database runs, then repeat the command.",
            exit_code=TRY_AGAIN,
        ) from error
    except DatabaseError as error:
        raise XferError(
            f"The storage {shown} is no database that can be read: {hidden(said(error))}",
            "Name another one.",
        ) from error
    except RuntimeError as error:  # Optuna's word for a schema of another version
        newer = "updating optuna" in str(error)
        remedy = (
            "Update Optuna (pip install -U optuna)"
            if newer
            else f"Upgrade it: optuna storage upgrade --storage {shown}"
        )
        raise XferError(
            f"The storage {shown} was made by {'a newer' if newer else 'an older'} version of Optuna than "
            f"{optuna.__version__}.",
            f"{remedy}, or name another storage.",
        ) from error
    return storage


def with_driver(url: str, kind: str) -> str:
    """``url`` with the installed driver named,
    where it names none and SQLAlchemy's own choice is not installed.
    """
    if not url.lower().startswith(f"{kind}://"):
        return url
    installed = [name for name in _DRIVERS.get(kind, ()) if importlib.util.find_spec(name)]
    return f"{kind}+{installed[0].lower()}{url[len(kind) :]}" if installed else url


def _make(url: str, kind: str, options: dict[str, Any]) -> BaseStorage:
    template = url.replace("{", "{{").replace("}", "}}")  # Optuna fills in its schema's version
    if kind == "sqlite":
        return optuna.storages.get_storage(RDBStorage(template, engine_kwargs=options))
    return Patient(RDBStorage(template, engine_kwargs=options))


def _check_tables(engine: sqlalchemy.Engine, shown: str) -> None:
    """Raise :class:`XferError` if the database holds tables of something else; nothing is written."""
    tables = set(sqlalchemy.inspect(engine).get_table_names())
    if {"experiments", "runs"} <= tables:
        raise XferError(
            f"The storage {shown} is MLflow's own database.",
            "Optuna needs one of its own: storage=auto, another file, or another database on the same "
            "server (createdb NAME).",
        )
    if tables and "studies" not in tables:
        raise XferError(
            f"The storage {shown} holds tables of something else: {', '.join(sorted(tables)[:5])}.",
            "Optuna needs a database of its own: name another file, or create one (createdb NAME).",
        )


@contextmanager
def advisory_lock(engine: sqlalchemy.Engine, kind: str, name: str = LOCK) -> Iterator[None]:
    """One process at a time, among all that use this database;
    the database lets go of it when its holder dies.

    A holder that stands still is not waited for longer than a minute: its session is ended, and it fails when
    it wakes.
    """
    with engine.connect() as connection:
        if kind == "postgresql":
            for setting in (
                f"lock_timeout = '{2 * LOCK_SECONDS}s'",
                f"idle_in_transaction_session_timeout = '{LOCK_SECONDS}s'",
                "tcp_keepalives_idle = 20",
                "tcp_keepalives_interval = 5",
            ):
                connection.execute(sqlalchemy.text(f"SET LOCAL {setting}"))
            connection.execute(
                sqlalchemy.text("SELECT pg_advisory_xact_lock(hashtext(:name))"), {"name": name}
            )
            held = nullcontext()
        elif kind == "mysql":
            connection.execute(
                sqlalchemy.text("SELECT GET_LOCK(:name, :seconds)"),
                {"name": name, "seconds": 2 * LOCK_SECONDS},
            )
            held = _released(connection, name)
        else:
            raise ValueError(f"{kind} has no advisory locks")
        with held:
            yield
        connection.commit()


@contextmanager
def _released(connection: sqlalchemy.Connection, name: str) -> Iterator[None]:
    try:
        yield
    finally:
        connection.execute(sqlalchemy.text("SELECT RELEASE_LOCK(:name)"), {"name": name})
