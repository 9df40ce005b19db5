"""One tracking store and experiment: opening it, the runs made in it, and which of them can be used again.

Calls whose answer is needed (creating a run, looking one up: :class:`Session`) wait for the store; what is
logged (:class:`Recorder`) is queued and never waits.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from mlflow_xfer.errors import TRY_AGAIN, XferError
from mlflow_xfer.tracking import creating, endpoint, names, opening, reuse, runs, versions
from mlflow_xfer.tracking.creating import Once
from mlflow_xfer.tracking.delivery import OPENED_TAG
from mlflow_xfer.tracking.ledger import Ledger
from mlflow_xfer.tracking.points import Points
from mlflow_xfer.tracking.recorder import Recorder, now
from mlflow_xfer.tracking.runs import PARENT_TAG, RunView
from mlflow_xfer.tracking.session import Session
from mlflow_xfer.tracking.spool import Spool
from mlflow_xfer.tracking.sync import replay, settle
from mlflow_xfer.tracking.uris import local_folder, sqlite_path
from mlflow_xfer.tracking.writer import Writer

if TYPE_CHECKING:
    from mlflow import MlflowClient

log = logging.getLogger(__name__)

DEFAULT_EXPERIMENT = "mlflow-xfer"
_RANDOM_NAME = re.compile(r"[a-z]+-[a-z]+-\d{1,4}")  # what MLflow calls a run that nobody named
_ENDED = ("FINISHED", "FAILED", "KILLED")


class Store(Session, Recorder):
    """An open tracking store. Make one with :meth:`open`, end with :meth:`close`."""

    def __init__(self, client: MlflowClient, uri: str, experiment_id: str):
        Session.__init__(self, client, uri, experiment_id)
        Recorder.__init__(self, Writer(client, Spool.create(uri)))
        self._opened: dict[str, str] = {}  # run -> the OPENED_TAG that this process set
        self.leases = True  # across machines, see lease.py; off once the store has refused them
        self.ledger: Ledger | None = None
        self.job: str | None = None  # parent of runs without one, see job.py

    @classmethod
    def open(
        cls, experiment: str | None = None, *, sync: bool = True, probe: bool = True, make: bool = True
    ) -> Store:
        """Open the store that MLflow's settings name.

        Args:
            experiment: name of the experiment; default: the active one, else ``mlflow-xfer``, else the one
                with the newest run of ours.
            sync: first deliver what dead processes of this host left unsent for this store.
            probe: check that artifacts can be written; a command that only reads needs no such right.
            make: make a database and an experiment where there is none; a command that only reads leaves
                things as they are.

        Raises:
            XferError: unreachable within 30 s (exit code 75); a folder store, a deleted experiment or
                artifacts that cannot be written, or nothing there to be read (exit code 2).
        """
        client, uri, experiment_id = opening.connect(experiment, DEFAULT_EXPERIMENT, probe, make)
        if sync:
            replay(client, uri, endpoint.OPEN_SECONDS if make else 0.0)
        return cls(client, uri, experiment_id)

    def artifacts_folder(self) -> Path | None:
        """Where the experiment's artifacts lie on this machine; None if they are remote."""
        experiment = self.ask(lambda: self.client.get_experiment(self.experiment_id))
        return local_folder(experiment.artifact_location)

    def close(self, patience: float = 10.0, limit: float | None = None) -> int:
        """As :meth:`Recorder.close`; a SQLite file then holds all of it by itself."""
        left = super().close(patience, limit)
        if path := sqlite_path(self.uri):
            endpoint.write_back(path)
        return left

    # --- runs ---------------------------------------------------------------------------------

    def start(
        self,
        kind: str,
        name: str,
        *,
        tags: Mapping[str, object] = {},  # noqa: B006 (read only)
        params: Mapping[str, object] = {},  # noqa: B006
        parent: str | None = None,
        run_id: str | None = None,
    ) -> str:
        """Open a run and return its id; waits for the store.

        Args:
            kind: one of ``runs.KINDS``.
            name: shown in the UI; a name that a user chose for an attached run is kept.
            tags, params: logged with the run; parameters that it already has are left alone.
            parent: the run that launches it.
            run_id: attach to this run (opened by ``mlflow run``) or reopen it (resume) instead of
                creating one.
        """
        if kind not in runs.KINDS:
            raise ValueError(f"unknown run kind {kind!r}")
        own = {"xfer.kind": kind, "xfer.schema": runs.SCHEMA, OPENED_TAG: now(), **versions.tags(), **tags}
        if parent:
            own[PARENT_TAG] = parent
        own = {names.key(key): names.tag(value) for key, value in own.items()}
        if run_id is None:
            run_id = self._create(name, own)
        else:
            self._reopen(run_id, name, own)
        self._opened[run_id] = own[OPENED_TAG]
        if params:
            self.params(run_id, params)
        return run_id

    def _create(self, name: str, tags: Mapping[str, str]) -> str:
        from mlflow.tracking.context.registry import resolve_tags

        if self.job and PARENT_TAG not in tags:
            tags = {**tags, PARENT_TAG: self.job, runs.JOB_TAG: self.job}
        mark = creating.mark()
        tags = {key: str(value) for key, value in resolve_tags({**tags, **mark}).items()}
        return self.ask(
            Once(
                lambda: self.client.create_run(self.experiment_id, tags=tags, run_name=name).info.run_id,
                lambda: runs.marked(self.client, self.experiment_id, mark),
            )
        )

    def _reopen(self, run_id: str, name: str, tags: Mapping[str, str]) -> None:
        from mlflow.entities import RunTag

        settle(self.client, self.uri, run_id, self.writer.spool.path)
        run = self.get(run_id)
        if run.deleted:
            raise XferError(
                f"Run {run_id} is deleted.",
                f"Restore it with: mlflow runs restore --run-id {run_id}, or start afresh.",
            )
        rename = name if not run.name or _RANDOM_NAME.fullmatch(run.name) else None

        def reopen() -> None:
            self.client.log_batch(run_id, tags=[RunTag(key, value) for key, value in tags.items()])
            self.client.update_run(run_id, status="RUNNING", name=rename)

        self.ask(reopen)
        self._points[run_id] = self.ask(lambda: Points.last(self.client, run_id))

    def confirm(self, run_id: str, patience: float | None = None) -> None:
        """To be called before publishing: that the run is as this store opened it.

        Args:
            patience: seconds to wait for a store that is away; with 0 the run then counts as its own.

        Raises:
            XferError: it was ended, deleted, or opened again by another process (exit code 75).
        """
        try:
            run = runs.view(
                endpoint.patiently(lambda: self.client.get_run(run_id), self.uri, log.warning, patience)
            )
        except XferError:
            if patience == 0.0:
                return
            raise
        own = run.tags.get(OPENED_TAG) == self._opened.get(run_id)
        if run.deleted or run.status != "RUNNING" or not own:
            what = (
                "deleted" if run.deleted else f"ended ({run.status})" if own else "opened by another process"
            )
            raise XferError(
                f"Run {run_id} was {what} while this command worked on it; nothing is published in it.",
                "Repeat the command: it goes on from what it has.",
                exit_code=TRY_AGAIN,
            )

    def finish(
        self,
        run_id: str,
        status: str = "FINISHED",
        *,
        patience: float = 10.0,
        limit: float | None = None,
    ) -> bool:
        """End the run after everything queued for it; returns False if that is only spooled so far.

        Args:
            status: FINISHED, FAILED or KILLED.
            patience: seconds to wait for a store that is away; what was not sent is sent later.
            limit: seconds to wait in all.
        """
        if status not in _ENDED:
            raise ValueError(f"a run ends {' or '.join(_ENDED)}, not {status!r}")
        position = self._put("finish", run_id, status=status, opened=self._opened.get(run_id))
        return self.writer.flush(position, patience, limit)

    def get(self, run_id: str) -> RunView:
        """The run, with all that was logged into it here: waits for that to be delivered.

        Raises:
            XferError: the store has no such run, or stayed away (exit code 75).
        """
        self.settle(run_id)
        return super().get(run_id)

    # --- reuse --------------------------------------------------------------------------------

    def find_phase(self, spec_hash: str, code_hash: str | None, weights: bool = True) -> str | None:
        """The oldest finished phase run with these hashes and intact artifacts; see :mod:`reuse`."""
        return reuse.find_phase(self, spec_hash, code_hash, weights)

    def near_misses(self, spec: Mapping[str, object], code_hash: str | None = None) -> str:
        """What differed in the closest earlier phase run; see :mod:`reuse`."""
        return reuse.near_misses(self, spec, code_hash)

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
