"""What all verbs stand on while they run: their name in the environment, and an open store."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlflow_xfer.tracking.store import Store

VERB = "XFER_VERB"  # what plugin/run_context.py reads, in this process and those that it starts


@contextmanager
def running(verb: str) -> Iterator[None]:
    """While it lasts MLflow tags every run as made by ``verb``, and logs nothing by itself."""
    before = os.environ.get(VERB)
    os.environ[VERB] = verb
    try:
        with without_autologging():
            yield
    finally:
        if before is None:
            os.environ.pop(VERB, None)
        else:
            os.environ[VERB] = before


def without_autologging() -> AbstractContextManager[None]:
    """MLflow's autologging suspended: it would log what trains inside to the caller's active run, or to new
    runs of its own."""
    autologging = sys.modules.get("mlflow.utils.autologging_utils")
    if autologging is None or autologging._AUTOLOGGING_GLOBALLY_DISABLED:  # MLflow's own would switch it on
        return nullcontext()
    return autologging.disable_autologging()


@contextmanager
def opened(probe: bool = True, make: bool = True) -> Iterator[Store]:
    """An open store; what could not be delivered at the end is an error, and stays on disk.

    Args:
        probe: check that artifacts can be written; a verb that only reads needs no such right.
        make: make a database and an experiment where there is none.
    """
    from mlflow_xfer.tracking.recorder import undelivered
    from mlflow_xfer.tracking.store import Store

    store = Store.open(probe=probe, make=make)
    try:
        yield store
    except BaseException:
        store.close()
        raise
    left = store.close()
    if left:
        raise undelivered(f"what was logged ({left} records)")
