"""The study of a search: begun or gone on with by a command, and looked at by others."""

from __future__ import annotations

import json
import logging
import socket
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import optuna
from optuna.exceptions import DuplicatedStudyError
from optuna.study import StudyDirection

from mlflow_xfer.durable.mounts import on_network
from mlflow_xfer.errors import XferError
from mlflow_xfer.searching.space.space import Space, canonical
from mlflow_xfer.searching.storage.history import SPACE
from mlflow_xfer.searching.storage.place import Place, hidden
from mlflow_xfer.searching.storage.storages import exclusive, open_storage
from mlflow_xfer.tracking import endpoint
from mlflow_xfer.tracking.names import redact
from mlflow_xfer.tracking.reuse import differences

logger = logging.getLogger(__name__)

# of a study: the host that began it, the tracking store it logs to, and its run there
HOST, TRACKING, PARENT = "xfer.host", "xfer.tracking", "xfer.run_id"


def open_study(
    where: Place,
    name: str,
    identity: Mapping[str, Any],
    tracking_uri: str,
    objectives: int = 1,
) -> optuna.Study:
    """The study of a search, made if it is absent; several processes may do this at once.

    Args:
        identity: what makes the search this search (plain values); kept as ``xfer.space``.
        tracking_uri: where the search logs to.

    Raises:
        XferError: the storage is something else or away (75), or holds another search under this name: what
            differs.
    """
    storage = open_storage(where)
    with exclusive(where, storage):
        with suppress(DuplicatedStudyError):
            optuna.create_study(
                study_name=name, storage=storage, directions=[StudyDirection.MAXIMIZE] * objectives
            )
        study = optuna.load_study(study_name=name, storage=storage)
        spec = study.user_attrs.get(SPACE)
        if spec is None and not study.get_trials(deepcopy=False):  # new, or its maker died at once
            study.set_user_attr(SPACE, canonical(identity))
            study.set_user_attr(HOST, socket.gethostname())
            study.set_user_attr(TRACKING, redact(tracking_uri))
        else:
            _same(spec, identity, name, where)
            check_tracking(study, where, tracking_uri)
    return study


def known_study(where: Place, name: str) -> optuna.Study:
    """The study of a search that another process has begun.

    Raises:
        XferError: there is none of that name: those that there are; or the storage cannot be used.
    """
    missing = where.path is not None and not where.path.exists()
    if not missing:
        storage = open_storage(where)
        names = sorted(study.study_name for study in storage.get_all_studies() if SPACE in study.user_attrs)
        if name in names:
            return optuna.load_study(study_name=name, storage=storage)
    there = (
        f"There are: {', '.join(names[:20])}."
        if not missing and names
        else "It holds no search."
        if not missing
        else "There is no such file."
    )
    raise XferError(
        f"No search {name!r} in {where.shown}. {there}",
        "Begin it with: mlflow-xfer search --study_name … --storage …",
    )


def check_tracking(study: optuna.Study, where: Place, tracking_uri: str) -> None:
    """Whether what this process logs goes where the search logs to.

    A search kept on a disk of this host is this host's, by whatever name it goes today (containers change
    theirs).

    Raises:
        XferError: it would go into another SQLite file, or one of another host.
    """
    host, theirs = study.user_attrs.get(HOST), study.user_attrs.get(TRACKING, "")
    here = socket.gethostname() if where.is_server or on_network(where.file) else host
    files = endpoint.sqlite_path(tracking_uri), endpoint.sqlite_path(theirs)
    if any(files) and (host != here or files[0] != files[1]):
        raise XferError(
            f"The search {study.study_name!r} logs to {hidden(theirs)} on the host {host}; this process "
            f"would log to {hidden(tracking_uri)} on {here}.",
            "On that host, set MLFLOW_TRACKING_URI to the same store. Several hosts need one tracking "
            "server (mlflow server): begin the search with MLFLOW_TRACKING_URI=http://… and set the same "
            "wherever it goes on.",
        )
    if redact(tracking_uri) != theirs:
        logger.warning(
            "The search logs to %s, this process to %s: both must be the same server",
            hidden(theirs),
            hidden(tracking_uri),
        )


def _same(spec: str | None, identity: Mapping[str, Any], name: str, where: Place) -> None:
    if spec == canonical(identity):
        return
    if spec is None:
        raise XferError(
            f"The study {name!r} in {where.shown} was not made by mlflow-xfer.",
            "Choose another study_name or storage.",
        )
    differ = differences(json.loads(spec), json.loads(canonical(identity)))
    raise XferError(
        f"The study {name!r} in {where.shown} is another search; it differs in "
        f"{'; '.join(differ[:12])}{f' and {len(differ) - 12} more' if len(differ) > 12 else ''}.",
        "Choose another study_name, or repeat that search's own parameters to continue it.",
    )


def space_of(study: optuna.Study) -> Space:
    """What may be tried in a search."""
    return Space.from_spec(json.loads(study.user_attrs[SPACE])["space"])
