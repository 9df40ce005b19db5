"""Who runs phases side by side: worker processes of this host, or a Ray cluster."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace

from mlflow_xfer.conditions.engines import ray
from mlflow_xfer.errors import XferError
from mlflow_xfer.params.chain import Workers
from mlflow_xfer.tracking import endpoint

SQLITE_WORKERS = 4
"""Processes whose writes one SQLite tracking store takes without making them wait for too long."""


@dataclass(frozen=True)
class Crew:
    """What runs phases.

    Args:
        workers: how many at once, at most; 1 of this host: this process. None, of a Ray cluster alone: as
            many as it has room for.
        engine, address: as ``engine`` and ``ray_address`` of :class:`mlflow_xfer.params.chain.Workers`.
    """

    workers: int | None = 1
    engine: str = "local"
    address: str | None = None

    @property
    def in_process(self) -> bool:
        return self.engine == "local" and self.workers == 1

    @property
    def here(self) -> int:
        """How many of them are sure to be on this host."""
        return self.workers or 1 if self.engine == "local" or self.address is None else 1

    def for_phases(self, number: int) -> Crew:
        """The same, without workers that would find nothing to do."""
        if self.workers is None or self.engine != "local":
            return self
        return replace(self, workers=min(self.workers, max(number, 1)))

    def __str__(self) -> str:
        if self.engine == "local":
            return f"{self.workers} processes"
        return f"a Ray cluster ({self.address or 'of this host'})"


def crew_of(params: Workers, tracking_uri: str, alone: bool = False) -> Crew:
    """The crew that a command asks for.

    Args:
        alone: whether ``workers=auto`` of this host is this process.

    Raises:
        XferError: more than the tracking store serves, or a Ray cluster where it cannot be had.
    """
    if params.engine == "ray":
        ray.check(params.ray_address)
        asked = None if params.workers == "auto" else params.workers
        file = endpoint.sqlite_path(tracking_uri) is not None
        return Crew(
            workers_of(asked or "auto", tracking_uri) if file or asked else None, "ray", params.ray_address
        )
    if params.ray_address is not None:
        raise XferError(f"ray_address={params.ray_address} needs engine=ray.", "Give --engine ray too.")
    return Crew(workers_of(1 if alone and params.workers == "auto" else params.workers, tracking_uri))


def workers_of(asked: str | int, tracking_uri: str) -> int:
    """The processes that ``workers`` asks for; ``auto``: half the cores, at least 2 where there are 2.

    Raises:
        XferError: more than the tracking store serves.
    """
    cores = os.cpu_count() or 1
    local = endpoint.sqlite_path(tracking_uri) is not None
    if isinstance(asked, str):
        found = max(cores // 2, min(cores, 2))
        return min(found, SQLITE_WORKERS) if local else found
    if local and asked > SQLITE_WORKERS:
        raise XferError(
            f"{asked} workers would write to one SQLite tracking store, which serves {SQLITE_WORKERS}.",
            "Start a server (mlflow server --backend-store-uri sqlite:///mlflow.db, or better a PostgreSQL "
            "database) and set MLFLOW_TRACKING_URI=http://…, or use fewer workers.",
        )
    return asked
