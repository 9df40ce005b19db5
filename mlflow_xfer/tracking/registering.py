"""The model registry: a finished run's checkpoint under a name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mlflow_xfer.errors import XferError
from mlflow_xfer.tracking.checkpoints import MODEL_TAG
from mlflow_xfer.tracking.creating import Once

if TYPE_CHECKING:
    from mlflow_xfer.tracking.session import Session


CONFIRMED = "confirmed"
"""The alias of the version that the last search confirmed."""


def register(
    store: Session,
    run_id: str,
    name: str,
    tags: Mapping[str, str],
    description: str = "",
    alias: str = CONFIRMED,
) -> str:
    """Register the run's checkpoint as the next version of ``name``; returns ``models:/<name>/<version>``.

    A version that holds this very checkpoint is taken, and says what is new.

    Args:
        alias: of the version; empty: none.

    Raises:
        XferError: the run has no checkpoint, or the registry does not take the name.
    """
    from mlflow.exceptions import MlflowException

    model_id = store.get(run_id).tags.get(MODEL_TAG)
    if not model_id:
        raise XferError(f"Run {run_id} has no checkpoint to register.")
    source = f"models:/{model_id}"
    try:
        if not _is_there(store, name):
            store.ask(
                Once(
                    lambda: store.client.create_registered_model(name).name,
                    lambda: name if _is_there(store, name) else None,
                )
            )
        earlier = _version(store, name, run_id)
        version = earlier or store.ask(
            Once(
                lambda: store.client.create_model_version(
                    name, source, run_id=run_id, tags=dict(tags), description=description, model_id=model_id
                ),
                lambda: _version(store, name, run_id),
            )
        )
        number = str(version.version)
        for key, value in tags.items() if earlier else ():
            store.ask(
                lambda key=key, value=value: store.client.set_model_version_tag(name, number, key, value)
            )
        if earlier:
            store.ask(lambda: store.client.update_model_version(name, number, description))
        if alias:
            store.ask(lambda: store.client.set_registered_model_alias(name, alias, number))
    except MlflowException as error:
        raise XferError(
            f"register={name}: the registry refuses it ({str(error).splitlines()[0]}).",
            "Give a name of letters, digits, dots, dashes and underscores.",
        ) from error
    return f"models:/{name}/{version.version}"


def _is_there(store: Session, name: str) -> bool:
    """Whether the registry has a model of that name."""
    found = store.ask(lambda: store.client.search_registered_models(f"name = '{name}'"))
    return name in {model.name for model in found}


def _version(store: Session, name: str, run_id: str) -> Any | None:
    """The version of the model that is the run's."""
    found = store.ask(lambda: store.client.search_model_versions(f"name = '{name}'"))
    return next((version for version in found if version.run_id == run_id), None)
