"""Finding published checkpoints: from any spelling of a reference to the LoggedModel and its manifest."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlflow_xfer.durable import manifest
from mlflow_xfer.tracking import artifacts
from mlflow_xfer.tracking.references import run_of
from mlflow_xfer.tracking.uris import local_folder

if TYPE_CHECKING:
    from mlflow_xfer.tracking.session import Session

NAME = "model"
DIGEST_TAG = "xfer.manifest"  # on the LoggedModel: sha256 of its manifest file
_MODEL = re.compile(r"(?:models:/)?(m-[0-9a-f]{32})/?")


def find(store: Session, reference: str) -> Any | None:
    """The READY LoggedModel behind ``reference``; None if there is none.

    Args:
        reference: a model id, ``models:/<model id>``, or what :func:`references.run_of` knows.

    Raises:
        XferError: the reference is spelled in no known way.
    """
    if match := _MODEL.fullmatch(reference):
        from mlflow.exceptions import MlflowException

        try:
            model = store.ask(lambda: store.client.get_logged_model(match[1]))
        except MlflowException:
            return None
        return model if str(model.status) == "READY" else None
    finished = [model for model in of_run(store, run_of(store, reference)) if str(model.status) == "READY"]
    ours = [model for model in finished if DIGEST_TAG in model.tags]
    return next(iter(ours or finished), None)


def of_run(store: Session, run_id: str) -> list:
    """All LoggedModels called ``model`` of a run, finished or not, newest first."""
    return store.models(run_id, NAME)


def marked(store: Session, run_id: str, mark: Mapping[str, str]) -> str | None:
    """The model of the run that was made with the tags ``mark``; None if there is none."""
    return next((m.model_id for m in of_run(store, run_id) if mark.items() <= m.tags.items()), None)


def manifest_of(store: Session, model: Any) -> dict[str, manifest.Listed]:
    """The files that a model was published with.

    Raises:
        ValueError: its manifest is absent, malformed, or not the one that was published.
    """
    data = artifacts.read(store, model.artifact_location, manifest.FILE)
    if data is None:
        raise ValueError(f"its manifest is gone from {model.artifact_location}")
    if hashlib.sha256(data).hexdigest() != model.tags.get(DIGEST_TAG):
        raise ValueError("its manifest is not the one that was published")
    return manifest.load(data.decode())


def folder(model: Any) -> Path | None:
    """Where a model's artifacts lie on this machine; None if they are remote."""
    return local_folder(model.artifact_location)
