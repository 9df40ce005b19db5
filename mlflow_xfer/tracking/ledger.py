"""Leases across hosts, kept in the tracking store itself.

MLflow has no transactions, but a run parameter can be written only once: the first worker to write the
parameter ``<key>.<generation>`` of the one ledger run holds the lease. Its holder counts up a heartbeat;
whoever sees the count stand still for long, by their own clock, may write the next generation and so take
over. Before it publishes, a holder writes its own next generation: that fails if it has been taken over, and
it cannot be taken over between asking and publishing without another wait.

A key that nobody else wants costs two small requests; only those who wait read the ledger run, which grows.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mlflow_xfer.durable.patience import awaited
from mlflow_xfer.tracking import outages, runs
from mlflow_xfer.tracking.creating import CREATION_TAG, sent_once

if TYPE_CHECKING:
    from mlflow import MlflowClient

EXPERIMENT = "xfer-ledger"
NOTE = "mlflow.note.content"
RUN_TAG = "xfer.ledger_run"  # of the experiment
MAKER_TAG = "xfer.ledger_maker"  # of the experiment: the worker that made it, and is to make the run
RELEASED = "released"
ABOUT = (
    "Who works on what: workers that share this tracking store note here which phase each of them holds, so "
    "that none is trained twice. No results; needed as long as something runs."
)
_POLL_SECONDS = 0.5


def stale_seconds() -> float:
    """A heartbeat that stood still this long belongs to a dead worker (``$XFER_STALE_SECONDS``, 180)."""
    return float(os.environ.get("XFER_STALE_SECONDS", 180.0))


@dataclass
class Ledger:
    """Leases of one worker on one tracking store.

    Args:
        client: ``MlflowClient`` of the store.
        worker: unique name of the holder.
        stale_seconds: how long a heartbeat may stand still, by the observer's clock.
        clock: seconds, monotonic.
    """

    client: MlflowClient
    worker: str
    stale_seconds: float = field(default_factory=stale_seconds)
    clock: Callable[[], float] = time.monotonic
    _run: str = ""
    _seen: dict[str, tuple[str, float]] = field(
        default_factory=dict
    )  # key -> (last heartbeat, when first seen)
    _tried: set[str] = field(default_factory=set)
    _beats: int = 0

    def acquire(self, key: str, dead: Callable[[str], bool] = lambda holder: False) -> int | None:
        """Try to hold ``key`` once; returns the generation held, None while another worker holds it.

        Call again to wait: a holder is taken for dead when its heartbeat has not changed between calls for
        ``stale_seconds``, or when ``dead(holder)`` knows it. What this worker itself held before is held
        again in a new generation (its release may still be on the way). A call that fails because the store
        is away starts that count anew: nobody's heartbeat could be seen then.
        """
        name = _param(key)
        try:
            if name not in self._tried:
                self._tried.add(name)
                if self._write(f"{name}.1"):
                    return 1
            return self._acquire_known(name, dead)
        except Exception:
            self._seen.pop(name, None)
            raise

    def _acquire_known(self, name: str, dead: Callable[[str], bool]) -> int | None:
        for _ in range(100):
            generation, holder, beat = self._current(name)
            free = not holder or holder == self.worker or beat == RELEASED or dead(holder)
            if not free and not self._stale(name, f"{generation}:{beat}"):
                return None
            if self._write(f"{name}.{generation + 1}"):
                self._seen.pop(name, None)
                return generation + 1
        return None

    def stood_still(self, key: str) -> str:
        """The worker that holds ``key`` and whose heartbeat has not changed between calls for
        ``stale_seconds``; empty: it lives, or nobody holds it. Takes nothing over; fails as :meth:`acquire`
        does."""
        name = _param(key)
        try:
            generation, holder, beat = self._current(name)
        except Exception:
            self._seen.pop(name, None)
            raise
        held = holder and beat != RELEASED
        return holder if held and self._stale(name, f"{generation}:{beat}") else ""

    def beat(self, key: str, generation: int) -> None:
        """Count the heartbeat up. Call several times per ``stale_seconds``."""
        self._beats += 1
        self.client.set_tag(self.run_id(), beat_tag(key, generation), str(self._beats))

    def renew(self, key: str, generation: int) -> int | None:
        """The next generation, to be held before publishing;
        None if another worker has taken ``key`` over.
        """
        return generation + 1 if self._write(f"{_param(key)}.{generation + 1}") else None

    def holder(self, key: str, generation: int) -> str:
        """The worker that holds (or held) this generation; empty if nobody."""
        return self._ledger_run().data.params.get(f"{_param(key)}.{generation}", "")

    def current(self, key: str) -> tuple[int, str, str]:
        """(highest generation held, its worker, its heartbeat); (0, "", "") if the key was never held."""
        return self._current(_param(key))

    def run_id(self) -> str:
        """The ledger run: made by whoever wins creating the experiment, waited for by the others."""
        if not self._run:
            self._run = _ledger_run_id(self.client, self.worker)
        return self._run

    def _ledger_run(self):
        return self.client.get_run(self.run_id())

    def _current(self, name: str) -> tuple[int, str, str]:
        """(highest generation written, its worker, its heartbeat); (0, "", "") if the key was never held."""
        data = self._ledger_run().data
        generation = 0
        while f"{name}.{generation + 1}" in data.params:
            generation += 1
        return (
            generation,
            data.params.get(f"{name}.{generation}", ""),
            data.tags.get(f"{name}.{generation}.beat", ""),
        )

    def _write(self, param: str) -> bool:
        """Write the parameter, and once more:
        the second time it is accepted only if the first value was ours.
        """
        from mlflow.exceptions import MlflowException

        try:
            for _ in range(2):
                self.client.log_param(self.run_id(), param, self.worker)
        except MlflowException as error:
            if error.error_code != "INVALID_PARAMETER_VALUE" or outages.is_transient(error):
                raise  # the store is away: whose the key is, is not known
            if self._ledger_run().info.lifecycle_stage != "deleted":
                return False
            self.client.restore_run(self.run_id())  # somebody tidied up
            return self._write(param)
        return True

    def _stale(self, name: str, beat: str) -> bool:
        last, since = self._seen.get(name, ("", 0.0))
        if last != beat:
            self._seen[name] = (beat, self.clock())
            return False
        return self.clock() - since >= self.stale_seconds


def beat_tag(key: str, generation: int) -> str:
    """The tag of the ledger run that holds the heartbeat."""
    return f"{_param(key)}.{generation}.beat"


def _ledger_run_id(client: MlflowClient, worker: str, wait_seconds: float = 30.0) -> str:
    """The ledger run; an error that may pass is raised, and the next call goes on from what was made."""
    from mlflow.exceptions import MlflowException

    if client.get_experiment_by_name(EXPERIMENT) is None:
        try:
            with sent_once():
                client.create_experiment(EXPERIMENT, tags={MAKER_TAG: worker})
        except MlflowException as error:
            if outages.is_transient(error):
                raise  # it may have been made all the same: with this worker's name
    found = client.get_experiment_by_name(EXPERIMENT)
    if found and found.lifecycle_stage == "deleted":  # its name is taken, so nobody can make another one
        with suppress(MlflowException):
            client.restore_experiment(found.experiment_id)
    if found and RUN_TAG not in found.tags and found.tags.get(MAKER_TAG) == worker:
        return _make_run(client, found.experiment_id, worker)

    def named() -> str | None:
        found = client.get_experiment_by_name(EXPERIMENT)
        return found.tags.get(RUN_TAG) if found else None

    if run := awaited(named, _POLL_SECONDS, seconds=wait_seconds):
        return run
    # Whoever won died at once. Of several that stand in for it, the last to set the tag wins.
    # There is none where it may not be made: the error that follows makes the caller go without leases.
    experiment = client.get_experiment_by_name(EXPERIMENT).experiment_id  # pyright: ignore[reportOptionalMemberAccess]
    with suppress(MlflowException):
        _make_run(client, experiment, worker)
    time.sleep(2 * _POLL_SECONDS)
    return client.get_experiment(experiment).tags[RUN_TAG]


def _make_run(client: MlflowClient, experiment: str, worker: str) -> str:
    """Make the ledger run, or take the one that this worker made before without being told so."""
    mark = {CREATION_TAG: worker}
    run = runs.marked(client, experiment, mark)
    if run is None:
        tags = {"xfer.kind": "ledger", NOTE: ABOUT, **mark}
        with sent_once():
            run = client.create_run(experiment, tags=tags, run_name="ledger of leases").info.run_id
    client.set_experiment_tag(experiment, RUN_TAG, run)
    client.set_experiment_tag(experiment, NOTE, ABOUT)
    client.set_terminated(run)  # it takes what is written all the same, and runs for nobody
    return run


def _param(key: str) -> str:
    """``key`` as the start of a parameter name (a digest:
    two 64-digit hashes fill half of MLflow's limit).
    """
    return (
        key
        if len(key) <= 200 and key.replace("-", "").isalnum()
        else hashlib.sha256(key.encode()).hexdigest()
    )
