"""From what a user calls a model in MLflow to the run that made it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from mlflow_xfer.errors import XferError
from mlflow_xfer.tracking import runs
from mlflow_xfer.tracking.session import Session

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

_RUN_URI = re.compile(r"runs:/([0-9a-f]{32})(?:/.*)?")
_PATH_URI = re.compile(r"runs:/[0-9a-f]{32}/.+")
_MODEL_ID = re.compile(r"models:/(m-[0-9a-f]{32})/?")
_REGISTERED = re.compile(r"models:/([^/@]+)(?:/([^/@]+)|@([^/@]+))/?")


def run_of(store: Session, reference: str) -> str:
    """The id of the run behind a run id, ``runs:/…``, a run's name,
    ``models:/<model id>`` or ``models:/<name>/<version>`` (or ``@alias``).

    Raises:
        XferError: nothing of that name in the store.
    """
    if runs.RUN_ID.fullmatch(reference):
        return reference
    if match := _RUN_URI.fullmatch(reference):
        return match[1]
    if not reference.startswith("models:/"):
        return _called(store, reference)
    from mlflow.exceptions import MlflowException

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


def _called(store: Session, name: str) -> str:
    """The run of ours of that name: the only one, or the only one that is finished."""
    quote = '"' if "'" in name else "'"
    found = store.ask(
        lambda: runs.search(
            store.client, f"attributes.run_name = {quote}{name}{quote} AND tags.`xfer.schema` LIKE '%'"
        )
    )
    finished = [run for run in found if run.status == "FINISHED"]
    if len(finished or found) == 1:
        return (finished or found)[0].run_id
    if found:
        listed = ", ".join(run.run_id for run in (finished or found)[:5])
        raise XferError(f"{len(found)} runs are called {name!r}: {listed}", "Name it by its run id.")
    raise XferError(
        f"There is no run {name!r} in the tracking store.",
        "Accepted: a run's id or name, runs:/…, models:/<model id>, models:/<name>/<version>, "
        "models:/<name>@<alias>. Check MLFLOW_TRACKING_URI.",
    )


def version_tags(store: Session, reference: str) -> dict[str, str]:
    """The tags of the registered version that ``reference`` names; empty if it names none."""
    if not _REGISTERED.fullmatch(reference):
        return {}
    return dict(store.ask(lambda: _version(store.client, reference)).tags)


def named_now(store: Session, reference: str) -> tuple[str, str]:
    """A reference without alias or "latest", which may stand for another version later, and when the version
    was made ("" for what has none)."""
    if _MODEL_ID.fullmatch(reference) or not _REGISTERED.fullmatch(reference):
        return reference, ""
    version = store.ask(lambda: _version(store.client, reference))
    return f"models:/{version.name}/{version.version}", str(version.creation_timestamp)


def names_files(reference: str) -> bool:
    """Whether it names a model, or a path among the artifacts of a run."""
    return reference.startswith("models:/") or bool(_PATH_URI.fullmatch(reference))


def _source_run(client: MlflowClient, reference: str) -> str | None:
    if match := _MODEL_ID.fullmatch(reference):
        return client.get_logged_model(match[1]).source_run_id
    return _version(client, reference).run_id


def _version(client: MlflowClient, reference: str) -> ModelVersion:
    match = _REGISTERED.fullmatch(reference)
    if not match:
        raise XferError(
            f"model={reference} is no MLflow model.",
            "Accepted: models:/<model id>, models:/<name>/<version>, models:/<name>@<alias>.",
        )
    name, version, alias = match.groups()
    if alias:
        return client.get_model_version_by_alias(name, alias)
    if version == "latest":
        version = str(max(int(one.version) for one in client.search_model_versions(f"name = '{name}'")))
    return client.get_model_version(name, version)
