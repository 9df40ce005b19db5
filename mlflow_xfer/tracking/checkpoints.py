"""Checkpoints: published whole or not at all, fetched only as they were published.

A checkpoint is the LoggedModel named ``model`` of the run that trained it, so ``runs:/<run>/model`` and
``models:/<id>`` both reach it. MLflow looks a run's model up by its name: one that told models apart would
take the first address away. What it is stands in its description, and as "Logged from" in lists of models.
Its manifest is uploaded last, the model becomes READY after that, and the manifest's own digest is a tag in
the tracking store: a changed file, and a changed manifest, are noticed.
"""

from __future__ import annotations

import hashlib
import logging
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlflow_xfer.durable import manifest
from mlflow_xfer.durable.files import whole_folder
from mlflow_xfer.errors import XferError
from mlflow_xfer.home import home
from mlflow_xfer.tracking import artifacts, creating, endpoint, flavour, names, published, runs
from mlflow_xfer.tracking.creating import Once
from mlflow_xfer.tracking.references import run_of
from mlflow_xfer.tracking.session import Session
from mlflow_xfer.tracking.uris import local_folder

log = logging.getLogger(__name__)

NAME = published.NAME
MODEL_TAG = "xfer.model_id"  # on the run
DROPPED = "xfer.weights_dropped"  # on a run whose weights went on purpose
UNTIL, EVALUATED = "xfer.weights_until", "evaluated"  # on a run whose weights are to go then
_PICKLES = (".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".joblib", ".npy", ".dill")
_HARMLESS = frozenset({"registered_model_meta"})  # MLflow adds it on registering


def publish(
    store: Session,
    run_id: str,
    directory: str | Path,
    *,
    step: int = 0,
    tags: Mapping[str, object] = {},  # noqa: B006 (read only)
    loader: str = "",
    longest: int | None = None,
) -> str:
    """Publish the checkpoint in ``directory`` as the run's model; returns the model id.

    Waits for the store (see ``endpoint.patiently``). A model that the run has already is kept if it
    is the same, and an unfinished one (its publisher died) is thrown away.

    Args:
        step: optimiser steps at which it was taken.
        tags: shown with the model.
        loader: module by which MLflow loads it, where its own does not.
        longest: tokens to which MLflow cuts a text, as in training.

    Raises:
        XferError: the directory holds pickles, links or no ``config.json``; the store stayed away (75).
    """
    directory = Path(directory)
    files = _publishable(directory)
    earlier = _earlier(store, run_id, files)
    if earlier:
        store.ask(lambda: _link(store, run_id, earlier, step))
        return earlier
    experiment = store.get(run_id).experiment_id
    mark = creating.mark()
    own = {names.key(k): names.tag(v) for k, v in {"xfer.schema": runs.SCHEMA, **tags, **mark}.items()}
    model_id = store.ask(
        Once(
            lambda: (
                store.client.create_logged_model(
                    experiment, name=NAME, source_run_id=run_id, tags=own, model_type="checkpoint"
                ).model_id
            ),
            lambda: published.marked(store, run_id, mark),
        )
    )
    digest = _upload(store, run_id, model_id, directory, files, loader, longest)
    store.ask(lambda: store.client.set_logged_model_tags(model_id, {published.DIGEST_TAG: digest}))
    store.ask(lambda: store.client.finalize_logged_model(model_id, "READY"))
    store.ask(lambda: _link(store, run_id, model_id, step))
    return model_id


def damage(store: Session, reference: str) -> str:
    """What is wrong with the checkpoint; empty if nothing is.

    Artifacts on this machine are compared by digest, remote ones by name and size without copying
    them (:func:`fetch` compares their digests).
    """
    model = published.find(store, reference)
    if model is None:
        return "it has no finished checkpoint"
    try:
        files = published.manifest_of(store, model)
    except ValueError as error:
        return str(error)
    local = published.folder(model)
    if local is not None:
        return "; ".join(manifest.faults(local, files, _HARMLESS))
    return _remote_faults(store, model, files)


def fetch(store: Session, reference: str) -> Path:
    """The checkpoint's folder on this machine, verified by digest; to be read only.

    Artifacts that lie on this machine are used where they are, others are kept under
    ``home()/checkpoints/<model id>``.

    Args:
        reference: a run id, ``runs:/<run>/model``, a model id or ``models:/...``.

    Raises:
        XferError: no such checkpoint, or it is not as it was published.
    """
    model = published.find(store, reference)
    if model is None:
        raise _absent(store, reference)
    try:
        files = published.manifest_of(store, model)
    except ValueError as error:
        raise _damaged(reference, str(error)) from error
    local = published.folder(model)
    if local is not None:
        if faults := manifest.faults(local, files, _HARMLESS):
            raise _damaged(reference, "; ".join(faults))
        return local
    cached = home() / "checkpoints" / model.model_id
    if cached.is_dir() and manifest.faults(cached, files):
        shutil.rmtree(cached)  # changed here since it was fetched
    if not cached.is_dir():
        _download(store, model, files, cached, reference)
    return cached


def export(checkpoint: Path, folder: Path) -> None:
    """Copy a fetched checkpoint's own files into ``folder``, without what makes it a model of MLflow's."""
    ours = shutil.ignore_patterns(*flavour.WRITTEN, *_HARMLESS, manifest.FILE)
    shutil.copytree(checkpoint, folder, ignore=ours, dirs_exist_ok=True)


def drop(store: Session, run_id: str) -> None:
    """Remove the checkpoint that was published for a run, files included; the run says so. May be
    repeated."""
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    store.ask(lambda: store.client.set_tag(run_id, DROPPED, "true"))
    for model in published.of_run(store, run_id):
        if any(name.startswith("xfer.") for name in model.tags):  # what a user logged stays
            repository = get_artifact_repository(model.artifact_location, tracking_uri=store.uri)
            store.ask(repository.delete_artifacts)
            _delete(store, model.model_id)  # last: whoever goes on from a killed command finds it by this
            shutil.rmtree(home() / "checkpoints" / model.model_id, ignore_errors=True)
    store.ask(lambda: store.client.set_tag(run_id, UNTIL, ""))


def _upload(
    store: Session,
    run_id: str,
    model_id: str,
    directory: Path,
    files: Mapping[str, manifest.Listed],
    loader: str,
    longest: int | None,
) -> str:
    """Upload the checkpoint, what makes it loadable, and last the manifest; returns the manifest's sha256."""
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    with tempfile.TemporaryDirectory() as folder:
        extra, last = Path(folder) / "extra", Path(folder) / manifest.FILE
        extra.mkdir()
        flavour.files(directory, extra, run_id=run_id, model_id=model_id, loader=loader, longest=longest)
        every = {**files, **manifest.of(extra)}
        text = manifest.dump(every)
        last.write_text(text, encoding="utf-8")
        sent = {name: listed.size for name, listed in every.items()} | {manifest.FILE: last.stat().st_size}
        location = store.ask(lambda: store.client.get_logged_model(model_id)).artifact_location

        def upload() -> None:
            with endpoint.long_requests():
                store.client.log_model_artifacts(model_id, str(directory))
                store.client.log_model_artifacts(model_id, str(extra))
                store.client.log_model_artifact(model_id, str(last))
                if local_folder(location) is None:
                    artifacts.check_arrived(get_artifact_repository(location, tracking_uri=store.uri), sent)

        store.ask(upload)
    return hashlib.sha256(text.encode()).hexdigest()


def _download(
    store: Session, model: Any, files: Mapping[str, manifest.Listed], folder: Path, reference: str
) -> None:
    """Download and verify: readers see all of ``folder`` or nothing."""
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    if faults := _remote_faults(store, model, files):
        raise _damaged(reference, faults)
    repository = get_artifact_repository(model.artifact_location, tracking_uri=store.uri)
    with whole_folder(folder, replace=False) as target:

        def download() -> None:
            with endpoint.long_requests():
                for name in files:  # only what the manifest lists, whatever else the server holds
                    (target / name).parent.mkdir(parents=True, exist_ok=True)
                    repository.download_artifacts(name, str(target))

        store.ask(download)
        if faults := manifest.faults(target, files):
            raise _damaged(reference, "; ".join(faults))


def _remote_faults(store: Session, model: Any, files: Mapping[str, manifest.Listed]) -> str:
    """What a remote store's listing shows to be missing or of another size; empty if nothing."""
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    repository = get_artifact_repository(model.artifact_location, tracking_uri=store.uri)
    sizes = store.ask(lambda: artifacts.sizes(repository, deep=True))
    return "; ".join(
        f"{name} is missing or changed" for name, listed in files.items() if sizes.get(name) != listed.size
    )


def _publishable(directory: Path) -> dict[str, manifest.Listed]:
    if not (directory / "config.json").is_file():
        raise XferError(f"{directory} is no checkpoint: it has no config.json.")
    try:
        files = manifest.of(directory)
    except ValueError as error:
        raise XferError(f"{directory} cannot be published: {error}.") from error
    pickles = [name for name in files if name.lower().endswith(_PICKLES)]
    if pickles:
        raise XferError(
            f"{directory} cannot be published: {', '.join(pickles)} may hold pickles.",
            "Save safetensors only.",
        )
    return files


def _earlier(store: Session, run_id: str, files: Mapping[str, manifest.Listed]) -> str | None:
    """The run's finished model if it holds ``files`` and is intact; any other that was published here is
    deleted, and what a user logged stays.
    """
    kept = None
    for model in published.of_run(store, run_id):
        try:
            listed = published.manifest_of(store, model) if str(model.status) == "READY" else {}
        except ValueError:
            listed = {}
        if kept is None and files.items() <= listed.items() and not damage(store, model.model_id):
            kept = model.model_id
        elif any(name.startswith("xfer.") for name in model.tags):
            log.info("Removing the unfinished or outdated model %s of run %s", model.model_id, run_id)
            _delete(store, model.model_id)
    return kept


def _delete(store: Session, model_id: str) -> None:
    """Delete a model; one that is gone already (an answer was lost) is none that is missed."""
    from mlflow.exceptions import MlflowException

    try:
        store.ask(lambda: store.client.delete_logged_model(model_id))
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise


def _link(store: Session, run_id: str, model_id: str, step: int) -> None:
    """Make the model an output of the run and note its id there; may be repeated."""
    from mlflow.entities import LoggedModelOutput

    if model_id not in store.get(run_id).models:
        with creating.sent_once():
            store.client.log_outputs(run_id, models=[LoggedModelOutput(model_id, step=step)])
    store.client.set_tag(run_id, MODEL_TAG, model_id)


def _absent(store: Session, reference: str) -> XferError:
    if not reference.startswith("m") and DROPPED in store.get(run_of(store, reference)).tags:
        return XferError(
            f"The weights of {reference} were dropped when they had been evaluated.",
            "Repeat its command with keep=all: the phase is trained again and ends with the same weights.",
        )
    return XferError(
        f"{reference} has no finished checkpoint.",
        "If its run was interrupted, repeat its command: it goes on where it stopped.",
    )


def _damaged(reference: str, faults: str) -> XferError:
    return XferError(
        f"The checkpoint of {reference} is not as it was published: {faults}.",
        "It is not used. Put its files back, or delete that run (or its model) in MLflow and repeat the "
        "command.",
    )
