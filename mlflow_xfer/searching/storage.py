"""Where a search is kept: what ``storage`` names, whether it can be used, and the study in it.

Optuna's storage is the truth of a search. A journal file serves the processes of one host, SQLite one
process, PostgreSQL and MySQL any number of hosts. Everything that can be wrong with a storage is found before
anything runs.
"""

from __future__ import annotations

import json
import logging
import os
import re
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import optuna
from optuna.exceptions import DuplicatedStudyError
from optuna.storages import BaseStorage

from mlflow_xfer.errors import XferError
from mlflow_xfer.home import home
from mlflow_xfer.searching import database, journal
from mlflow_xfer.searching.history import SPACE
from mlflow_xfer.searching.space import canonical
from mlflow_xfer.tracking import endpoint
from mlflow_xfer.tracking.names import redact
from mlflow_xfer.tracking.reuse import differences

if TYPE_CHECKING:
    from mlflow_xfer.searching.leases import LeasedStudy

logger = logging.getLogger(__name__)

KINDS = {
    "postgresql": "postgresql://user:password@host/database",
    "mysql": "mysql+pymysql://user:password@host/database",
    "sqlite": "sqlite:///file.db (one worker)",
}
ACCEPTED = f"auto, a file (Optuna's journal), {', '.join(KINDS.values())}"
MLFLOW_SQLITE_WORKERS = 4
HOST, TRACKING = (
    "xfer.host",
    "xfer.tracking",
)  # of a study: the host that began it, and the tracking store it logs to
_NAME = re.compile(r"\w[\w.+\- ]{0,127}")


@dataclass(frozen=True)
class Place:
    """What ``storage`` names.

    Attributes:
        kind: ``journal`` or ``sqlite`` (files), ``postgresql`` or ``mysql`` (servers).
        url: SQLAlchemy URL; of a journal the path.
        path: the file; None for servers.
    """

    kind: str
    url: str
    path: Path | None = None

    @property
    def shown(self) -> str:
        """Without credentials."""
        return hidden(self.url)

    @property
    def is_server(self) -> bool:
        return self.path is None

    @property
    def leases(self) -> Path:
        """Folder of the locks that go with a file."""
        return self.path.with_name(f"{self.path.name}.leases")


def place(storage: str, study_name: str) -> Place:
    """What ``storage`` names.

    Raises:
        XferError: no storage that we know, a study name that is no file name, a folder that does not exist.
    """
    if not _NAME.fullmatch(study_name):
        raise XferError(
            f"study_name={study_name!r} is not accepted.",
            "Accepted: up to 128 letters, digits, blanks and _ . + -, beginning with a letter or digit.",
        )
    scheme, separator, rest = storage.partition("://")
    if storage == "auto":
        folder = home() / "studies"
        folder.mkdir(parents=True, exist_ok=True)
        return _journal(folder / f"{study_name}.log")
    if not separator:
        return _journal(Path(storage).expanduser().absolute())
    kind = scheme.partition("+")[0].lower()
    if kind == "sqlite" and rest.startswith("/") and rest not in ("/", "/:memory:"):
        path = Path(unquote(rest[1:].partition("?")[0])).expanduser().absolute()
        return Place("sqlite", f"sqlite:///{path}", _usable(path))
    if kind in ("postgresql", "mysql"):
        if (
            rest.partition("/")[0].count("@") > 1
        ):  # drivers would take a part of the password for the host, and say so
            raise XferError(
                f"The storage {hidden(storage)} is no address of a database: it has more than one @.",
                f"In a user name or password, @ is spelled %40 and / %2F: {KINDS[kind]}",
            )
        return Place(kind, storage)
    what = (
        "has no file"
        if kind == "sqlite"
        else "is a MLflow server's address"
        if kind in ("http", "https")
        else f"is of no known kind ({scheme})"
    )
    hint = " (postgres:// is spelled postgresql://)" if kind == "postgres" else ""
    raise XferError(
        f"The storage {hidden(storage)} {what}.",
        f"Accepted: {ACCEPTED}{hint}. It is where Optuna keeps the search; MLflow's address is "
        "MLFLOW_TRACKING_URI.",
    )


def _journal(path: Path) -> Place:
    return Place("journal", str(path), _usable(path))


def _usable(path: Path) -> Path:
    if path.is_dir():
        raise XferError(f"The storage {path} is a folder.", "Name a file in it.")
    if not path.parent.is_dir():
        raise XferError(
            f"The folder of the storage {path} does not exist.", "Create it, or name another file."
        )
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise XferError(f"The storage {path} cannot be written.", "Give write access, or name another file.")
    return path


def hidden(text: str) -> str:
    """``text`` without what stands between ``://`` and the last ``@`` of an address."""
    return re.sub(r"://[^\s'\"]*@", "://***@", text)


# -- limits --------------------------------------------------------------------------------------------------
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


def check_tracking(study: LeasedStudy, tracking_uri: str) -> None:
    """Whether what this process logs goes where the search logs to.

    A search kept on a disk of this host is this host's, by whatever name it goes today (containers change
    theirs).

    Raises:
        XferError: it would go into another SQLite file, or one of another host.
    """
    host, theirs = study.user_attrs.get(HOST), study.user_attrs.get(TRACKING, "")
    here = socket.gethostname() if study.where.is_server or endpoint.on_network(study.where.path) else host
    files = endpoint.sqlite_path(tracking_uri), endpoint.sqlite_path(theirs)
    if any(files) and (host != here or files[0] != files[1]):
        raise XferError(
            f"The search {study.study_name!r} logs to {hidden(theirs)} on the host {host}; this process "
            f"would log to {hidden(tracking_uri)} on {here}.",
            "On that host, set MLFLOW_TRACKING_URI to the same store. Several hosts need one tracking "
            "server (mlflow server): begin the search with MLFLOW_TRACKING_URI=http://… and set the same "
            "for all workers.",
        )
    if redact(tracking_uri) != theirs:
        logger.warning(
            "The search logs to %s, this process to %s: both must be the same server",
            hidden(theirs),
            hidden(tracking_uri),
        )


# -- opening -------------------------------------------------------------------------------------------------
def open_study(
    where: Place,
    name: str,
    identity: Mapping[str, Any],
    tracking_uri: str,
    objectives: int = 1,
    attrs: Mapping[str, Any] = {},
) -> LeasedStudy:  # noqa: B006 (read only)
    """The study of a search, made if it is absent; several processes may do this at once.

    Args:
        identity: what makes the search this search (plain values); kept as ``xfer.space``.
        tracking_uri: where the search logs to.
        attrs: further attributes for the workers, refreshed at every opening.

    Raises:
        XferError: the storage is something else or away (75), or holds another search under this name: what
            differs.
    """
    from mlflow_xfer.searching.leases import LeasedStudy

    storage = open_storage(where)
    with exclusive(where, storage):
        with suppress(DuplicatedStudyError):
            optuna.create_study(study_name=name, storage=storage, directions=["maximize"] * objectives)
        study = LeasedStudy(name, storage, where)
        found = study.user_attrs.get(SPACE)
        if found is None and not study.get_trials(deepcopy=False):  # new, or its maker died at once
            study.set_user_attr(SPACE, canonical(identity))
            study.set_user_attr(HOST, socket.gethostname())
            study.set_user_attr(TRACKING, redact(tracking_uri))
        else:
            _same(found, identity, name, where)
            check_tracking(study, tracking_uri)
        for key, value in attrs.items():
            if study.user_attrs.get(key) != value:
                study.set_user_attr(key, value)
    return study


def join_study(where: Place, name: str) -> LeasedStudy:
    """The study of a search that another process has begun.

    Raises:
        XferError: there is none of that name: those that there are; or the storage cannot be used.
    """
    from mlflow_xfer.searching.leases import LeasedStudy

    missing = where.path is not None and not where.path.exists()
    if not missing:
        storage = open_storage(where)
        names = sorted(study.study_name for study in storage.get_all_studies() if SPACE in study.user_attrs)
        if name in names:
            return LeasedStudy(name, storage, where)
    there = (
        f"There are: {', '.join(names[:20])}."
        if not missing and names
        else "It holds no search."
        if not missing
        else "There is no such file."
    )
    raise XferError(
        f"No search {name!r} in {where.shown}. {there}",
        "Begin it with: mlflow-xfer search --study_name … --storage …; workers take the same two.",
    )


def open_storage(where: Place) -> BaseStorage:
    """The storage, its tables made if need be.

    Raises:
        XferError: it belongs to something else, was made by another version, or is away (75).
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    if where.kind == "journal":
        return journal.open_journal(where.path)
    if where.kind == "sqlite":
        where.leases.mkdir(exist_ok=True)
    return database.open_database(
        where.url, where.kind, where.leases if where.kind == "sqlite" else None, hidden
    )


@contextmanager
def exclusive(where: Place, storage: BaseStorage) -> Iterator[None]:
    """One process at a time, among all that use this storage; it ends with the process that holds it."""
    if where.is_server:
        with database.advisory_lock(storage._backend.engine, where.kind):
            yield
    else:
        with journal.file_lock(where.leases / "exclusive.lock"):
            yield


def _same(found: str | None, identity: Mapping[str, Any], name: str, where: Place) -> None:
    if found == canonical(identity):
        return
    if found is None:
        raise XferError(
            f"The study {name!r} in {where.shown} was not made by mlflow-xfer.",
            "Choose another study_name or storage.",
        )
    differ = differences(json.loads(found), json.loads(canonical(identity)))
    raise XferError(
        f"The study {name!r} in {where.shown} is another search; it differs in "
        f"{'; '.join(differ[:12])}{f' and {len(differ) - 12} more' if len(differ) > 12 else ''}.",
        "Choose another study_name, or repeat that search's own parameters to continue it.",
    )
