"""What ``storage`` names: where the search is kept, by its kind of address."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from mlflow_xfer.errors import XferError
from mlflow_xfer.home import home

KINDS = {
    "postgresql": "postgresql://user:password@host/database",
    "mysql": "mysql+pymysql://user:password@host/database",
    "sqlite": "sqlite:///file.db (one search at a time)",
}
ACCEPTED = f"auto, a file (Optuna's journal), {', '.join(KINDS.values())}"
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
    def file(self) -> Path:
        """The file of a storage that is one."""
        assert self.path is not None, f"{self.kind} is a server"
        return self.path

    @property
    def leases(self) -> Path:
        """Folder of the locks that go with a file."""
        return self.file.with_name(f"{self.file.name}.leases")


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
