"""Delivers what processes that no longer live left in their spools (verb ``sync``; also at every open)."""

from __future__ import annotations

import json
import logging
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mlflow_xfer.durable.patience import awaited, server_patience
from mlflow_xfer.tracking import endpoint, outages, spool, uris
from mlflow_xfer.tracking.delivery import Delivery
from mlflow_xfer.tracking.recorder import undelivered
from mlflow_xfer.tracking.spool import Spool

if TYPE_CHECKING:
    from mlflow import MlflowClient

log = logging.getLogger(__name__)

_POLL_SECONDS = 0.25


@dataclass(frozen=True)
class Replayed:
    """What became of one spool: records ``delivered``, records ``left`` and why."""

    path: Path
    uri: str
    delivered: int
    left: int
    reason: str = ""


def replay(client: MlflowClient, uri: str, patience: float = 0.0) -> list[Replayed]:
    """Deliver the spools that dead processes of this host left for the store ``uri``.

    Stops at the first transient error and never raises for it: what is left stays for the next time.

    Args:
        patience: seconds to wait for others that deliver such a spool just now.
    """
    done, until = [], time.monotonic() + patience
    for path in _of_host(uri):

        def look(path: Path = path) -> Replayed | bool | None:
            return _deliver(client, path, uri) or (None if (path / spool.ENDED).exists() else False)

        result = awaited(look, _POLL_SECONDS, seconds=max(until - time.monotonic(), 0.0))
        if isinstance(result, Replayed):
            done.append(result)
            if result.reason:
                break
    for result in done:
        if result.delivered or result.left:
            log.info(
                "Delivered %d records that %s left unsent (%d remain)",
                result.delivered,
                result.path.name,
                result.left,
            )
    return done


def settle(client: MlflowClient, uri: str, run_id: str, own: Path) -> None:
    """Wait until nothing that other processes of this host logged into the run waits to be delivered, before
    somebody goes on in it; deliver what dead ones left.

    Args:
        own: the spool of the caller.

    Raises:
        XferError: it could not be delivered (exit code 75).
    """

    def settled() -> bool | None:
        waiting = [path for path in _of_host(uri) if path != own and spool.waits(path, run_id)]
        for path in waiting:
            _deliver(client, path, uri)
        return not any(spool.waits(path, run_id) for path in waiting) or None

    if not awaited(settled, _POLL_SECONDS, longest=5.0, seconds=server_patience()):
        raise undelivered(f"what an earlier command logged into run {run_id}")


def sync(moved_from: str | None = None) -> list[Replayed]:
    """Deliver every spool of this home whose process is dead, whichever host and store it was for.

    Args:
        moved_from: an address that the active store had before: what was kept for it goes to that store.

    A store whose address holds credentials is replayed only while it is the active one: addresses
    with credentials are not kept on disk. Refused records are tried once more.
    """
    from mlflow import MlflowClient

    endpoint.quiet()
    active = endpoint.tracking_uri()
    moved = endpoint.store_key(uris.absolute(moved_from)) if moved_from else ""
    done = []
    for folder in sorted(spool.root().glob("*")):
        for path in _spools(folder):
            uri = active if path.parent.name == moved else _address(path, active)
            if uri is None:
                waiting = _count(path)
                if waiting:
                    done.append(
                        Replayed(
                            path,
                            _owner(path).get("uri", "?"),
                            0,
                            waiting,
                            "set MLFLOW_TRACKING_URI to this store",
                        )
                    )
                continue
            _requeue(path)
            try:
                result = endpoint.within(
                    3600.0,
                    lambda uri=uri, path=path: _deliver(MlflowClient(tracking_uri=uri), path, uri),
                    uri,
                )
            except Exception as error:
                result = Replayed(path, uri, 0, _count(path) or 0, outages.said(error))
            if result is not None:
                done.append(result)
    return done


def _deliver(client: MlflowClient, path: Path, uri: str) -> Replayed | None:
    """Deliver one spool; None if its owner lives."""
    adopted = Spool.adopt(path)
    if adopted is None:
        return None
    before, reason = adopted.undelivered(), ""
    try:
        delivery = Delivery(client, adopted, adopted=True)
        while delivery.step():
            pass
    except Exception as error:
        reason = outages.said(error)
    left = adopted.undelivered()
    adopted.close(remove=left == 0)
    return Replayed(path, uri, before - left, left, reason)


def _of_host(uri: str) -> Iterator[Path]:
    """The spools of this host for the store ``uri``."""
    return _spools(spool.root() / endpoint.store_key(uri), host=socket.gethostname())


def _spools(folder: Path, host: str | None = None) -> Iterator[Path]:
    for path in sorted(folder.glob("*")):
        if (
            path.is_dir()
            and not path.name.startswith(".")
            and (host is None or _owner(path).get("host") == host)
        ):
            yield path


def _owner(path: Path) -> dict:
    try:
        return json.loads((path / "owner.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def _address(path: Path, active: str) -> str | None:
    """The tracking URI of a spool; None if only a redacted one is known and it is not the active store."""
    if path.parent.name == endpoint.store_key(active):
        return active
    owner = _owner(path)
    return owner.get("uri") if owner.get("replayable") else None


def _count(path: Path) -> int:
    """Records that wait in the spool of a dead process; 0 if its owner lives."""
    adopted = Spool.adopt(path)
    if adopted is None:
        return 0
    waiting = adopted.undelivered()
    adopted.close(remove=False)
    return waiting


def _requeue(path: Path) -> None:
    """Put refused records back at the end of the log, to be tried once more."""
    adopted = Spool.adopt(path)
    if adopted is None:
        return
    refused = path / "rejected.jsonl"
    if refused.exists():
        for line in refused.read_text(encoding="utf-8").splitlines():
            record = json.loads(line)
            adopted.append({name: v for name, v in record.items() if name not in ("reason", "rejected")})
        refused.unlink()
    adopted.close(remove=False)
