"""Finding published checkpoints: from any spelling of a reference to the LoggedModel and its manifest."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from mlflow_xfer.errors import XferError
from mlflow_xfer.tracking import artifacts, manifest

if TYPE_CHECKING:
    from mlflow_xfer.tracking.store import Store

NAME = "model"
DIGEST_TAG = "xfer.manifest"  # on the LoggedModel: sha256 of its manifest file
_MODEL = re.compile(r"(?:models:/)?(m-[0-9a-f]{32})/?")
_RUN = re.compile(r"(?:runs:/)?([0-9a-f]{32})(?:/model)?/?")
_REGISTERED = re.compile(r"models:/(?P<name>[^/@]+)(?:/(?P<version>\d+)|@(?P<alias>[^/]+))")
ACCEPTED = (
    "Accepted: a run id, runs:/<run>/model, models:/<model id>, models:/<name>/<version>, models:/<name>@<alias>."
)


def find(store: Store, reference: str) -> Any | None:
    """The READY LoggedModel behind ``reference``; None if there is none.

    Args:
        reference: a run id, ``runs:/<run>/model``, a model id, ``models:/<model id>``, or a version or
            alias in the model registry.

    Raises:
        XferError: the reference is spelled in no known way.
    """
    if match := _RUN.fullmatch(reference):
        return next((model for model in of_run(store, match[1]) if str(model.status) == "READY"), None)
    from mlflow.exceptions import MlflowException

    try:
        model = store.ask(lambda: store.client.get_logged_model(_model_id(store, reference)))
    except MlflowException:
        return None
    return model if str(model.status) == "READY" else None


def run_of(store: Store, reference: str) -> str:
    """The run that published what ``reference`` names; references as :func:`find`.

    Raises:
        XferError: there is no such finished checkpoint. (A run id is returned as it is.)
    """
    if match := _RUN.fullmatch(reference):
        return match[1]
    model = find(store, reference)
    if model is None or not model.source_run_id:
        raise XferError(f"{reference} names no finished checkpoint of a run.", ACCEPTED)
    return model.source_run_id


def of_run(store: Store, run_id: str) -> list:
    """All LoggedModels called ``model`` of a run, finished or not, newest first."""
    experiment = store.get(run_id).experiment_id
    query = f"source_run_id = '{run_id}' AND name = '{NAME}'"
    order = [{"field_name": "creation_timestamp", "ascending": False}]
    return list(store.ask(lambda: store.client.search_logged_models([experiment], query, order_by=order)))


def manifest_of(store: Store, model: Any) -> dict[str, manifest.Listed]:
    """The files that a model was published with.

    Raises:
        ValueError: its manifest is absent, malformed, or not the one that was published.
    """
    data = artifacts.read(store, model.artifact_location, manifest.FILE)
    if data is None:
        raise ValueError("its manifest is gone")
    if hashlib.sha256(data).hexdigest() != model.tags.get(DIGEST_TAG):
        raise ValueError("its manifest is not the one that was published")
    return manifest.load(data.decode())


def folder(model: Any) -> Path | None:
    """Where a model's artifacts lie on this machine; None if they are remote."""
    parts = urlsplit(model.artifact_location)
    if parts.scheme == "file":
        return Path(unquote(parts.path))
    return Path(model.artifact_location) if parts.scheme == "" else None


def _model_id(store: Store, reference: str) -> str:
    if match := _MODEL.fullmatch(reference):
        return match[1]
    match = _REGISTERED.fullmatch(reference)
    if match is None:
        raise XferError(f"{reference!r} names no checkpoint.", ACCEPTED)
    if match["version"]:
        version = store.client.get_model_version(match["name"], match["version"])
    else:
        version = store.client.get_model_version_by_alias(match["name"], match["alias"])
    # A store notes the logged model as `model_id`, as the source `models:/<id>`, or only in the source's path.
    found = re.search(r"\bm-[0-9a-f]{32}\b", f"{version.model_id or ''} {version.source or ''}")
    if not found:
        raise XferError(f"{reference} was registered from something that is no logged model.", ACCEPTED)
    return found[0]
