"""Which running trials have a living worker, and what becomes of the others.

A trial is leased from the moment it is asked for until it is told. With a file the lease is a lock that the
operating system drops when its holder dies; with a server it is Optuna's heartbeat, counted here because
Optuna itself counts it only inside ``study.optimize``. Asking and leasing happen under one lock, as does
looking for dead trials: so a running trial without a lease is dead, and two workers that notice it queue it
once.
"""

from __future__ import annotations

import logging
import os
import socket
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import optuna
from optuna.distributions import BaseDistribution
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import BaseStorage, RDBStorage
from optuna.trial import FrozenTrial, TrialState

from mlflow_xfer.durable.heartbeat import Heartbeat
from mlflow_xfer.durable.locks import Lock, taken
from mlflow_xfer.searching.database import heartbeat_seconds
from mlflow_xfer.searching.history import DISCARDED, ERROR, KEY, RETRIED_FROM, requeue
from mlflow_xfer.searching.patient import Patient
from mlflow_xfer.searching.place import Place
from mlflow_xfer.searching.space import Space
from mlflow_xfer.searching.storage import exclusive

logger = logging.getLogger(__name__)

WORKER = "xfer.worker"  # of a trial: who runs it
DIED = "xfer.died"  # of a trial: its worker died
RETRIES = 3  # a candidate that kills its worker as often as this and once more is failed


class Leases(Protocol):
    """Leases on trials, of this process and of others."""

    def take(self, trial_id: int, number: int) -> None:
        """Lease a trial that this process has just opened."""

    def drop(self, trial_id: int, number: int) -> None:
        """A trial has ended: its lease, whoever held it, is not needed any more."""

    def dead(self, running: Sequence[FrozenTrial]) -> list[FrozenTrial]:
        """Of running trials, those whose holder is dead."""
        ...


@dataclass
class FileLeases:
    """Locked files, one for each running trial.
    A trial is held once, so its file can be removed with its end.
    """

    folder: Path
    _held: dict[int, Lock] = field(default_factory=dict)

    def take(self, trial_id: int, number: int) -> None:
        self.folder.mkdir(exist_ok=True)
        lock = taken(self._file(trial_id))
        assert lock is not None, f"trial {number} has just been asked for"
        self._held[trial_id] = lock

    def drop(self, trial_id: int, number: int) -> None:
        lock = self._held.pop(trial_id, None)
        if lock:
            lock.release()
        self._file(trial_id).unlink(missing_ok=True)

    def dead(self, running: Sequence[FrozenTrial]) -> list[FrozenTrial]:
        found = []
        for trial in running:
            if lock := taken(self._file(trial._trial_id)):
                lock.release()
                found.append(trial)
        return found

    def _file(self, trial_id: int) -> Path:
        return self.folder / f"trial-{trial_id}.lock"


@dataclass
class Heartbeats:
    """Optuna's heartbeats: times by the database's clock.
    A trial counts as dead if it is stale at two looks a heartbeat apart.

    A database that was away for longer finds all heartbeats stale when it is back; the living beat before the
    second look.
    """

    storage: RDBStorage
    study_id: int
    _held: dict[int, Heartbeat] = field(default_factory=dict)
    _stale: dict[int, float] = field(default_factory=dict)  # trial -> when it was first seen to be stale

    def take(self, trial_id: int, number: int) -> None:
        self.storage.record_heartbeat(trial_id)
        self._held[trial_id] = Heartbeat(
            lambda: self.storage.record_heartbeat(trial_id),
            heartbeat_seconds(),
            f"xfer-trial-{number}",
            last=self.storage.remove_session,
        )

    def drop(self, trial_id: int, number: int) -> None:
        beats = self._held.pop(trial_id, None)
        if beats:
            beats.stop()

    def dead(self, running: Sequence[FrozenTrial]) -> list[FrozenTrial]:
        try:
            stale = set(self.storage._get_stale_trial_ids(self.study_id))
        except Exception:
            self._stale.clear()
            raise
        now = time.monotonic()
        self._stale = {trial_id: self._stale.get(trial_id, now) for trial_id in stale}
        gone = {trial_id for trial_id, since in self._stale.items() if now - since >= heartbeat_seconds()}
        return [trial for trial in running if trial._trial_id in gone or WORKER not in trial.user_attrs]


class LeasedStudy(optuna.Study):
    """A study whose running trials are leased: asking takes the lease, telling gives it back."""

    def __init__(self, name: str, storage: BaseStorage, where: Place):
        super().__init__(name, storage)
        self.where = where
        self.leases: Leases = (
            Heartbeats(storage.database, self._study_id)
            if isinstance(storage, Patient)
            else FileLeases(where.leases)
        )
        self.worker = f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:6]}"

    def ask(self, fixed_distributions: dict[str, BaseDistribution] | None = None) -> optuna.Trial:
        with self.exclusive():
            trial = super().ask(fixed_distributions)
            self.leases.take(trial._trial_id, trial.number)
            trial.set_user_attr(WORKER, self.worker)
        return trial

    def tell(
        self,
        trial: optuna.Trial | int,
        values: Any = None,
        state: TrialState | None = None,
        skip_if_finished: bool = False,
    ) -> FrozenTrial:
        """As Optuna's.

        Raises:
            UpdateFinishedTrialError: others took this worker for dead and have queued the trial again.
        """
        number = trial if isinstance(trial, int) else trial.number
        trial_id = self._storage.get_trial_id_from_study_id_trial_number(self._study_id, number)
        try:
            if not skip_if_finished and self._storage.get_trial(trial_id).state.is_finished():
                raise UpdateFinishedTrialError(f"Trial {number} was taken over.")
            return super().tell(trial, values, state, skip_if_finished)
        finally:
            self.leases.drop(trial_id, number)

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """One worker at a time."""
        with exclusive(self.where, self._storage):
            yield

    def running(self) -> list[FrozenTrial]:
        return self.get_trials(deepcopy=False, states=(TrialState.RUNNING,))

    def reap(self, space: Space) -> list[int]:
        """Fail the trials of dead workers and queue their candidates again; their numbers.

        No trial is lost if this process dies in between, and none is queued twice: see
        :func:`history.requeue`.
        """
        if not self.running():
            return []
        with self.exclusive():
            dead = self._dead()
            for trial in dead:
                try:
                    self._bury(trial, space)
                except UpdateFinishedTrialError:  # it was alive after all
                    logger.info("trial %d has ended meanwhile", trial.number)
        return [trial.number for trial in dead]

    def others(self) -> int:
        """How many workers run trials now, this one aside."""
        with self.exclusive():
            dead = {trial.number for trial in self._dead()}
        return len(
            {t.user_attrs.get(WORKER) for t in self.running() if t.number not in dead} - {self.worker, None}
        )

    def _dead(self) -> list[FrozenTrial]:
        """Trials that run for nobody. A trial is told before its lease is dropped:
        so those that still run, after the look at the leases.
        """
        dead = self.leases.dead(self.running())
        running = {trial.number for trial in self.running()} if dead else set()
        return [trial for trial in dead if trial.number in running]

    def _bury(self, trial: FrozenTrial, space: Space) -> None:
        worker = trial.user_attrs.get(WORKER, "a worker")
        self._storage.set_trial_user_attr(trial._trial_id, DIED, True)
        deaths = self._deaths(trial)
        if KEY not in trial.user_attrs and "fixed_params" not in trial.system_attrs:
            self._storage.set_trial_user_attr(
                trial._trial_id, DISCARDED, f"{worker} died before it chose a candidate"
            )
            self.tell(trial.number, state=TrialState.FAIL, skip_if_finished=True)
        elif deaths > RETRIES:
            message = f"{deaths} workers died while they ran this candidate; it is not tried again"
            logger.error("trial %d (%s): %s", trial.number, trial.user_attrs.get(KEY), message)
            self._storage.set_trial_user_attr(trial._trial_id, ERROR, message)
            self.tell(trial.number, state=TrialState.FAIL, skip_if_finished=True)
        else:
            logger.warning(
                "trial %d (%s): %s is dead; its candidate is queued again",
                trial.number,
                trial.user_attrs.get(KEY),
                worker,
            )
            requeue(self, space, trial, f"{worker} died")

    def _deaths(self, trial: FrozenTrial) -> int:
        """How many workers died on this trial and those that it retries."""
        by_number = {t.number: t for t in self.get_trials(deepcopy=False)}
        deaths, number = 1, trial.user_attrs.get(RETRIED_FROM)
        while number in by_number:
            deaths += DIED in by_number[number].user_attrs
            number = by_number[number].user_attrs.get(RETRIED_FROM)
        return deaths
