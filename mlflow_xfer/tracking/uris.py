"""Addresses of tracking stores and of artifacts, read as MLflow and SQLAlchemy read them."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit
from urllib.request import url2pathname

from mlflow_xfer.errors import XferError
from mlflow_xfer.tracking.names import redact

if TYPE_CHECKING:
    from sqlalchemy.engine import URL

_PLAIN = re.compile(r"sqlite:///([^%?@]+)")
"""What SQLAlchemy need not be asked about: its import takes half a second."""


def scheme(uri: str) -> str:
    """What ``uri`` begins with, before its colon.

    Raises:
        XferError: it is no address as it stands.
    """
    odd = re.search(r"^\s|\s$|^['\"]|[\x00-\x1f\x7f]", uri) or re.search(r"(?<=://)[^/?#]*?(\s)[^/?#]*@", uri)
    if odd:
        char = odd[odd.lastindex or 0]
        what = "a quote" if char in ("'", '"') else f"the character {char!r}"
        shown = re.sub(r"(?s)(?<=://).*@", "***@", uri)  # a password with such characters, too
        raise XferError(
            f"MLFLOW_TRACKING_URI={redact(shown)!r} has {what} that is no part of an address.",
            "Files of variables and secrets often end with a line break, or keep quotes: take it out. In a "
            "password write %20 for a blank.",
        )
    try:
        return urlsplit(uri).scheme
    except ValueError as error:
        raise XferError(
            f"MLFLOW_TRACKING_URI={redact(uri)} is no address ({error}).", "Write http://HOST:PORT."
        ) from None


def is_server(uri: str) -> bool:
    """Whether a tracking server is meant, not a database or a hosted service."""
    scheme = urlsplit(uri).scheme
    return scheme in ("http", "https")


def sqlite_path(uri: str) -> Path | None:
    """The database file behind ``uri``; None if it is no SQLite file.

    Raises:
        XferError: it is no address.
    """
    if not uri.startswith("sqlite"):
        return None
    if plain := _PLAIN.fullmatch(uri):
        name = plain[1]
    else:
        url = _url(uri)
        name = url.database or ""
        if name.startswith("file:") and url.query.get("uri"):  # SQLite's own addresses
            name = "" if url.query.get("mode") == "memory" else unquote(urlsplit(name).path)
    return Path(name) if name and name != ":memory:" else None


def sqlite_uri(path: Path) -> str:
    """The address of the SQLite file ``path``.

    Raises:
        XferError: no address can name it.
    """
    plain = f"sqlite:///{path}"
    quoted = f"sqlite:///{str(path).replace('%', '%25').replace('?', '%3F')}"
    for uri in (plain, quoted):  # quoted only where needed: MLflow makes folders by what is written
        if sqlite_path(uri) == path:
            return uri
    raise XferError(f"No address can name the database {str(path)!r}.", "Work in a folder of another name.")


def absolute(uri: str) -> str:
    """``uri``, of a relative SQLite file so that it means the same in every folder."""
    path = sqlite_path(uri)
    if path is None or path.is_absolute():
        return uri
    database, mark, options = uri.partition("?")
    return uri if "file:" in database else sqlite_uri(path.absolute()) + mark + options


def local_folder(location: str) -> Path | None:
    """Where artifacts at ``location`` lie on this machine; None if they are remote."""
    parts = urlsplit(location)
    if parts.scheme not in ("", "file"):
        return None
    return Path(url2pathname(parts.path if parts.scheme else location))


def typed(uri: str) -> str:
    """``uri`` as it is typed in a shell; one with credentials by the variable that holds it."""
    return shlex.quote(uri) if redact(uri) == uri else '"$MLFLOW_TRACKING_URI"'


def _url(uri: str) -> URL:
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        url = make_url(uri)
    except (ArgumentError, ValueError) as error:
        raise _no_database(uri) from error
    if url.host or url.username or url.port:  # sqlite://PATH
        raise _no_database(uri)
    return url


def _no_database(uri: str) -> XferError:
    return XferError(
        f"MLFLOW_TRACKING_URI={redact(uri)} is no address of a database file.",
        "Write sqlite:///PATH; sqlite:////PATH where it begins with a slash.",
    )
