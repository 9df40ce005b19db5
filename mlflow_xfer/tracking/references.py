"""From what a user calls a model in MLflow to the run that made it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from mlflow_xfer.errors import XferError
from mlflow_xfer.tracking.session import Session

if TYPE_CHECKING:
    from mlflow import MlflowClient

RUN_ID = re.compile(r"[0-9a-f]{32}")
_RUN_URI = re.compile(r"runs:/([0-9a-f]{32})(?:/.*)?")
_MODEL_ID = re.compile(r"models:/(m-[0-9a-f]{32})/?")
_REGISTERED = re.compile(r"models:/([^/@]+)(?:/([^/@]+)|@([^/@]+))/?")


def run_of(store: Session, reference: str) -> str:
    """The id of the run behind a run id, ``runs:/…``,
    ``models:/<model id>`` or ``models:/<name>/<version>`` (or ``@alias``).

    Raises:
        XferError: nothing of that name in the store.
    """
    from mlflow.exceptions import MlflowException

    if RUN_ID.fullmatch(reference):
        return reference
    if match := _RUN_URI.fullmatch(reference):
        return match[1]
    try:
        run_id = store.ask(lambda: _source_run(store.client, reference))
    except MlflowException as error:
        raise XferError(
            f"model={reference}: {error.message}", "Check the name and MLFLOW_TRACKING_URI."
        ) from error
    if not run_id:
        raise XferError(
            f"model={reference} was not logged by a run.",
            "Name a run, or download it and give the directory.",
        )
    return run_id


def _source_run(client: MlflowClient, reference: str) -> str | None:
    if match := _MODEL_ID.fullmatch(reference):
        return client.get_logged_model(match[1]).source_run_id
    match = _REGISTERED.fullmatch(reference)
    if not match:
        raise XferError(
            f"model={reference} is no MLflow model.",
            "Accepted: models:/<model id>, models:/<name>/<version>, models:/<name>@<alias>.",
        )
    name, version, alias = match.groups()
    if alias:
        return client.get_model_version_by_alias(name, alias).run_id
    if version == "latest":
        version = str(max(int(one.version) for one in client.search_model_versions(f"name = '{name}'")))
    return client.get_model_version(name, version).run_id
