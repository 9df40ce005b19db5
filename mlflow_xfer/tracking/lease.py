"""One holder per phase: two workers that want the same phase, one trains and the other waits.

:func:`hold` is a file lock, for the processes of one host. :class:`Ledger` is its counterpart across
hosts: MLflow has no transactions, but a run parameter can be written only once, so the first worker
to write the parameter ``<key>.<generation>`` of the one ledger run holds the lease. Its holder counts
up a heartbeat; whoever sees the count stand still for long, by their own clock, may write the next
generation and so take over; a holder checks before publishing that it still holds.
"""

from __future__ import annotations

import hashlib
import logging
import os
import socket
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from filelock import FileLock, Timeout

from mlflow_xfer.errors import TRY_AGAIN, XferError
from mlflow_xfer.home import home

log = logging.getLogger(__name__)

EXPERIMENT = "xfer-ledger"
STALE_SECONDS = 180.0  # a heartbeat that stood still this long belongs to a dead worker
_POLL_SECONDS = 0.5


@contextmanager
def hold(key: str, *, timeout: float | None = None, waiting: Callable[[float], object] | None = None) -> Iterator[None]:
    """Hold ``key`` on this host; the operating system lets go of it when its holder dies.

    Args:
        key: what to hold, e.g. ``<spec_hash>-<code_hash>``.
        timeout: seconds to wait for another holder; None waits for ever.
        waiting: called once a minute with the seconds waited so far, and once at the start of the wait.

    Raises:
        XferError: another process held it all the time (exit code 75).
    """
    folder = home() / "locks"
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / f"{_file_name(key)}.lock")
    started, told = time.monotonic(), 0
    while True:
        try:
            lock.acquire(timeout=0)
            break
        except Timeout:
            waited = time.monotonic() - started
            if timeout is not None and waited >= timeout:
                raise XferError(
                    f"Another process of this host has held {key} for {waited:.0f} s.",
                    "It is training the same phase. Wait for it, then repeat the command.",
                    exit_code=TRY_AGAIN,
                ) from None
            if waited >= 60.0 * told:
                told += 1
                (
                    waiting
                    or (
                        lambda s: log.info(
                            "Waiting for another process of this host that trains the same phase (%.0f s)", s
                        )
                    )
                )(waited)
            time.sleep(_POLL_SECONDS if timeout is None else min(_POLL_SECONDS, max(timeout - waited, 0.01)))
    try:
        yield
    finally:
        lock.release()


def worker_id() -> str:
    """A name for this process that no other process ever has."""
    return f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:12]}"


@dataclass
class Ledger:
    """Leases across hosts, on one tracking store.

    Args:
        client: ``MlflowClient`` of the store.
        worker: unique name of the holder, see :func:`worker_id`.
        stale_seconds: how long a heartbeat may stand still, by the observer's clock.
        clock: seconds, monotonic.
    """

    client: object
    worker: str = field(default_factory=worker_id)
    stale_seconds: float = STALE_SECONDS
    clock: Callable[[], float] = time.monotonic
    _run: str = ""
    _seen: dict[str, tuple[str, float]] = field(default_factory=dict)  # key -> (last heartbeat, when first seen)

    def acquire(self, key: str) -> int | None:
        """Try to hold ``key`` once; returns the generation held, None while another worker holds it.

        Call again to wait: a holder is taken for dead when its heartbeat has not changed between
        calls for ``stale_seconds``.
        """
        name = _param(key)
        for _ in range(100):
            generation, holder = self._current(name)
            if holder == self.worker:
                return generation
            if holder and not self._released(name, generation) and not self._stale(name, generation):
                return None
            if self._write(f"{name}.{generation + 1}"):
                self._seen.pop(name, None)
                self.beat(key, generation + 1)
                return generation + 1
        return None

    def beat(self, key: str, generation: int) -> None:
        """Count the heartbeat up. Call several times per ``stale_seconds``."""
        tag = f"{_param(key)}.{generation}.beat"
        now = self._ledger_run().data.tags.get(tag, "0")
        count = int(now) + 1 if now.isdigit() else 1
        self.client.set_tag(self.run_id(), tag, str(count))

    def holds(self, key: str, generation: int) -> bool:
        """Whether nobody has taken ``key`` over; to be asked before publishing."""
        return self._current(_param(key)) == (generation, self.worker)

    def release(self, key: str, generation: int) -> None:
        """Let go; the next worker does not have to wait for the heartbeat to go stale."""
        self.client.set_tag(self.run_id(), f"{_param(key)}.{generation}.beat", "released")

    def run_id(self) -> str:
        """The ledger run: made by whoever wins creating the experiment, waited for by the others."""
        if not self._run:
            self._run = _ledger_run_id(self.client)
        return self._run

    def _ledger_run(self):
        return self.client.get_run(self.run_id())

    def _current(self, name: str) -> tuple[int, str]:
        """(highest generation written, its worker); (0, "") if the key was never held."""
        params = self._ledger_run().data.params
        generation = 0
        while f"{name}.{generation + 1}" in params:
            generation += 1
        return generation, params.get(f"{name}.{generation}", "")

    def _write(self, param: str) -> bool:
        """Write the parameter; True only if it is ours afterwards (read back: exactly one writer wins)."""
        from mlflow.exceptions import MlflowException

        with suppress(MlflowException):
            self.client.log_param(self.run_id(), param, self.worker)
        return self._ledger_run().data.params.get(param) == self.worker

    def _released(self, name: str, generation: int) -> bool:
        return self._beat_of(name, generation) == "released"

    def _stale(self, name: str, generation: int) -> bool:
        beat = f"{generation}:{self._beat_of(name, generation)}"
        last, since = self._seen.get(name, ("", 0.0))
        if last != beat:
            self._seen[name] = (beat, self.clock())
            return False
        return self.clock() - since >= self.stale_seconds

    def _beat_of(self, name: str, generation: int) -> str:
        return self._ledger_run().data.tags.get(f"{name}.{generation}.beat", "")


def _ledger_run_id(client, wait_seconds: float = 30.0) -> str:
    from mlflow.exceptions import MlflowException

    try:
        experiment = client.create_experiment(EXPERIMENT)
        run = client.create_run(experiment, tags={"xfer.kind": "ledger"}, run_name="ledger")
        return run.info.run_id
    except MlflowException:
        pass  # it exists
    deadline = time.monotonic() + wait_seconds
    while True:
        found = client.get_experiment_by_name(EXPERIMENT)
        ledgers = found and client.search_runs(
            [found.experiment_id],
            "tags.`xfer.kind` = 'ledger'",
            order_by=["attributes.start_time ASC", "attributes.run_id ASC"],
        )
        if ledgers:
            return ledgers[0].info.run_id
        if time.monotonic() > deadline:
            raise XferError(
                f"The experiment {EXPERIMENT!r} has no ledger run.",
                f"Its maker died at once. Delete the experiment for good: mlflow experiments delete, then mlflow gc. Or rename {EXPERIMENT}.",
                exit_code=TRY_AGAIN,
            )
        time.sleep(_POLL_SECONDS)


def _file_name(key: str) -> str:
    """``key`` as a file name; long or odd keys by digest."""
    return key if len(key) <= 150 and key.replace("-", "").isalnum() else hashlib.sha256(key.encode()).hexdigest()


def _param(key: str) -> str:
    """``key`` as the start of a parameter name (a digest: two 64-digit hashes fill half of MLflow's limit)."""
    return key if len(key) <= 200 and key.replace("-", "").isalnum() else hashlib.sha256(key.encode()).hexdigest()
