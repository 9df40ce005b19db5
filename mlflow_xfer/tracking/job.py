"""The run that launched this process: of ``mlflow run``, of a job starter or of a user's own project.

Several commands may run under one ``$MLFLOW_RUN_ID``, one after the other or at once. One of them becomes
that run; what the others make are runs of their own below it. A run that has ended is never changed.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from mlflow_xfer.errors import TRY_AGAIN, XferError
from mlflow_xfer.tracking.drivers import DRIVER, is_dead, this_driver
from mlflow_xfer.tracking.lease import across_hosts, hold

if TYPE_CHECKING:
    from mlflow_xfer.tracking.runs import RunView
    from mlflow_xfer.tracking.store import Store


def take(store: Store) -> str | None:
    """The run that ``$MLFLOW_RUN_ID`` names, for this command to become: while it runs and is nobody's.

    Else None; runs that the store opens without a parent then get that one as their parent.

    Raises:
        XferError: the store has no such run, or it is deleted.
    """
    run_id = os.environ.get("MLFLOW_RUN_ID")
    if not run_id:
        return None
    key = f"job-{run_id}"
    with hold(key), across_hosts(store, key, lambda: False):
        if _is_free(_named(store, run_id)):
            store.ask(lambda: store.client.set_tag(run_id, DRIVER, this_driver()))
            return run_id
    store.job = run_id
    return None


def _named(store: Store, run_id: str) -> RunView:
    try:
        run = store.get(run_id)
    except XferError as error:
        if error.exit_code == TRY_AGAIN:
            raise
        raise XferError(
            f"MLFLOW_RUN_ID: {error.what}",
            "Unset it, or set MLFLOW_TRACKING_URI to the store that holds this run.",
        ) from error
    if run.deleted:
        raise XferError(
            f"MLFLOW_RUN_ID: run {run_id} is deleted.",
            f"Unset it, or restore the run with: mlflow runs restore --run-id {run_id}",
        )
    return run


def _is_free(run: RunView) -> bool:
    """Whether it runs, is not the caller's active run, and no command has become it or is about to."""
    import mlflow

    active = mlflow.active_run()
    if active is not None and active.info.run_id == run.run_id:
        return False
    driver = run.tags.get(DRIVER, "")
    nobodys = not driver or driver == this_driver() or is_dead(driver)
    return run.status == "RUNNING" and not run.kind and nobodys
