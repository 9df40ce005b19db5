"""Takes files from the web: goes on where it stopped, and trusts a file by its checksum only."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from mlflow_xfer.data.fetching.archives import Archive, DataSet
from mlflow_xfer.durable.digests import file_digest
from mlflow_xfer.durable.patience import retried
from mlflow_xfer.errors import BAD_INPUT, TRY_AGAIN, XferError

if TYPE_CHECKING:
    import requests

logger = logging.getLogger(__name__)

CHUNK = 1 << 16
PATIENCE_S = 60.0
TIMEOUT_S = (10, 60)
"""To connect, and between two pieces of an answer."""
GONE = (401, 403, 404, 410)


def take(archive: Archive, path: Path, of: DataSet, *, known: str = "", mirror: str = "") -> str:
    """Put the file of an address at ``path``; what is there of it is kept and only the rest is taken.

    Args:
        known: its sha256, published or recorded when it was first taken; empty: not known, so that what is
            there of it may be of another version and is taken anew.
        mirror: an address that holds the same files, each under its host and path.

    Returns:
        Its sha256.

    Raises:
        XferError: the address answers that it is gone or closed, cannot be reached, or gives other bytes.
    """
    import requests

    address = mirrored(archive.address, mirror)
    path.parent.mkdir(parents=True, exist_ok=True)
    if not known:
        path.unlink(missing_ok=True)
    with requests.Session() as session:
        retried(
            lambda: _rest(session, address, path, of),
            PATIENCE_S,
            passing=lambda error: isinstance(error, requests.RequestException),
            over=lambda error: XferError(
                f"{address}: cannot be reached ({error}).",
                "The same command goes on where this one stopped; --mirror names another place.",
                exit_code=TRY_AGAIN,
            ),
            told=lambda: logger.info("%s: broke off, trying again for %d s", address, PATIENCE_S),
        )
    found = file_digest(path)
    if known and found != known:
        path.unlink()
        raise XferError(
            f"{address}: its sha256 is {found}, expected {known}. What was taken is removed.",
            f"Repeat the command; if it stays so, the file was changed: {of.page}",
        )
    return found


def mirrored(address: str, mirror: str) -> str:
    parts = urlsplit(address)
    return f"{mirror.rstrip('/')}/{parts.netloc}{parts.path}" if mirror else address


def _rest(session: requests.Session, address: str, path: Path, of: DataSet) -> None:
    """What is missing of the file; a server that cannot begin in the middle gives all of it."""
    from tqdm import tqdm

    have = path.stat().st_size if path.exists() else 0
    wanted = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
    with session.get(address, headers=wanted, stream=True, timeout=TIMEOUT_S) as answer:
        if answer.status_code == 416:
            if answer.headers.get("Content-Range", "").endswith(f"/{have}"):
                return  # it was whole
            path.unlink()
            raise _broken(f"{have} bytes of it are more than it has")
        if answer.status_code in GONE:
            raise XferError(
                f"{address}: {answer.status_code} {answer.reason}: closed or gone.",
                f"{of.page} says where {of.name} is today, or what login it needs. With data=hub the "
                "tasks of the hub need no files.",
                exit_code=BAD_INPUT,
            )
        answer.raise_for_status()
        goes_on = answer.status_code == 206
        total = (have if goes_on else 0) + int(answer.headers.get("Content-Length", 0))
        with (
            path.open("ab" if goes_on else "wb") as file,
            tqdm(
                total=total or None,
                initial=have if goes_on else 0,
                desc=path.name,
                unit="B",
                unit_scale=True,
                disable=None,
            ) as shown,
        ):
            for piece in answer.iter_content(CHUNK):
                file.write(piece)
                shown.update(len(piece))


def _broken(what: str) -> Any:
    import requests

    return requests.ConnectionError(what)
