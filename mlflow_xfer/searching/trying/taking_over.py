"""Whose a search is: one process at a time asks and tells, and takes over what a dead one left running."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import optuna
from optuna.trial import FrozenTrial, TrialState

from mlflow_xfer.conditions.engines.local import DEATHS as MOST_DEATHS
from mlflow_xfer.durable.locks import taken
from mlflow_xfer.durable.mounts import on_network
from mlflow_xfer.errors import TRY_AGAIN, XferError
from mlflow_xfer.home import home
from mlflow_xfer.phases.phase import digest
from mlflow_xfer.searching.space.space import Space
from mlflow_xfer.searching.storage.history import DEATHS, DISCARDED, ERROR, KEY, REACHED, requeue
from mlflow_xfer.searching.storage.place import Place
from mlflow_xfer.tracking import endpoint
from mlflow_xfer.tracking.lease import TakenOver, across_hosts, only_here

if TYPE_CHECKING:
    from mlflow_xfer.tracking.store import Store

logger = logging.getLogger(__name__)

DRIVER = "xfer.driver"  # of the study: the process that asks and tells


@contextmanager
def only_driver(study: optuna.Study, where: Place, store: Store) -> Iterator[Callable[[], None]]:
    """Be the one process that runs the search; yields what raises once another one has taken it over.

    Where the storage can be reached from one host only, the operating system's lock on a file says who is
    there; elsewhere a lease in the tracking store does too.

    Raises:
        XferError: another process runs it (exit code 75).
    """
    file = _lock_file(where, study.study_name, store)
    with ExitStack() as stack:
        file.parent.mkdir(parents=True, exist_ok=True)
        lock = taken(file)
        if lock is None:
            raise _busy(study, where)
        stack.callback(lock.release)
        lease = None
        if where.path is None or on_network(where.path):
            key = digest(["search", where.shown, study.study_name])
            lease = stack.enter_context(across_hosts(store, key, _living(store, key)))
            if not lease.held:
                raise _busy(study, where)
        study.set_user_attr(DRIVER, f"process {os.getpid()} on {socket.gethostname()}")

        def confirm() -> None:
            try:
                if lease:
                    lease.confirm()
            except TakenOver as error:
                what = f"Another process took the search {study.study_name!r} over."
                raise XferError(what, "This one had not been heard of for too long.", TRY_AGAIN) from error

        yield confirm


def _lock_file(where: Place, name: str, store: Store) -> Path:
    """A file that all processes of this host that can run the search see. SQLite serves one search."""
    if where.path is not None:
        return where.leases / ("driver.lock" if where.kind == "sqlite" else f"driver-{name}.lock")
    tracking = endpoint.sqlite_path(store.uri)
    folder = tracking.parent if tracking is not None and only_here(store.uri) else home() / "locks"
    return folder / f"search-{digest([where.shown, name])[:16]}.lock"


def _living(store: Store, key: str) -> Callable[[], bool]:
    """Whether the holder of the lease has been heard of since the first time that this was asked."""
    first = None

    def living() -> bool:
        nonlocal first
        assert store.ledger is not None, "a lease that is waited for is in the ledger"
        now = store.ask(lambda: store.ledger.current(key))  # pyright: ignore[reportOptionalMemberAccess]
        if first is None:
            logger.info("another process had this search; waiting to see whether it still lives")
        first = first or now
        return now != first

    return living


def _busy(study: optuna.Study, where: Place) -> XferError:
    who = study.user_attrs.get(DRIVER, "another process")
    whole = f"the searches in {where.shown}" if where.kind == "sqlite" else f"the search {study.study_name!r}"
    return XferError(
        f"{who[:1].upper()}{who[1:]} runs {whole} now.",
        "One process asks and tells; workers=N gives it more processes to train in. Wait for it, or end it "
        "and repeat the command: it goes on from there.",
        TRY_AGAIN,
    )


def take_over(study: optuna.Study, space: Space) -> list[int]:
    """Queue the candidates of trials again that a dead process left running; the numbers of these.

    No trial is lost if this process dies in between, and none is queued twice: see :func:`history.requeue`.
    """
    left = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
    for trial in sorted(left, key=lambda trial: trial.number):
        _bury(study, space, trial)
    return sorted(trial.number for trial in left)


def _bury(study: optuna.Study, space: Space, trial: FrozenTrial) -> None:
    """A candidate is given up once processes that trained it have died with it several times without getting
    further."""
    attrs = trial.user_attrs
    deaths, best = attrs.get(DEATHS, (0, []))
    now = attrs.get(REACHED, [])
    if REACHED in attrs:
        deaths, best = (1, now) if now > best else (deaths + 1, best)
    if KEY not in attrs and "fixed_params" not in trial.system_attrs:
        why = "the process that asked for it died before it had a candidate"
        study._storage.set_trial_user_attr(trial._trial_id, DISCARDED, why)
        study.tell(trial.number, state=TrialState.FAIL, skip_if_finished=True)
    elif deaths >= MOST_DEATHS:
        message = f"{deaths} processes died while they ran this candidate, none of which got further"
        logger.error("trial %d (%s): %s", trial.number, attrs.get(KEY), message)
        study._storage.set_trial_user_attr(trial._trial_id, ERROR, message)
        study.tell(trial.number, state=TrialState.FAIL, skip_if_finished=True)
    else:
        logger.warning(
            "trial %d (%s): its process is dead; its candidate is queued again", trial.number, attrs.get(KEY)
        )
        requeue(study, space, trial, "its process died", (deaths, best))
