"""Checkpoints: published whole or not at all, fetched only as they were published.

A checkpoint is the LoggedModel named ``model`` of the run that trained it, so ``runs:/<run>/model``
and ``models:/<id>`` both reach it. Its manifest is uploaded last, the model becomes READY after that,
and the manifest's own digest is a tag in the tracking store: a changed file, and a changed manifest,
are noticed.
"""

from __future__ import annotations

import hashlib
import logging
import re
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

from mlflow_xfer.errors import XferError
from mlflow_xfer.home import home
from mlflow_xfer.tracking import flavour, manifest, names
from mlflow_xfer.tracking.store import Store

log = logging.getLogger(__name__)

NAME = "model"
MODEL_TAG = "xfer.model_id"  # on the run
DIGEST_TAG = "xfer.manifest"  # on the model: sha256 of the manifest file
_PICKLES = (".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".joblib", ".npy", ".dill")
_HARMLESS = frozenset({manifest.FILE, "registered_model_meta"})  # MLflow adds the second on registering
_MODEL_URI = re.compile(r"(?:models:/)?(m-[0-9a-f]{32})/?")
_RUN_URI = re.compile(r"runs:/([0-9a-f]{32})(?:/model)?/?")


def publish(
    store: Store,
    run_id: str,
    directory: Path,
    *,
    step: int = 0,
    tags: Mapping[str, object] = {},  # noqa: B006
) -> str:
    """Publish the checkpoint in ``directory`` as the run's model; returns the model id.

    Waits for the store (see ``endpoint.patiently``). A model that the run has already is kept if it
    is the same, and an unfinished one (its publisher died) is thrown away.

    Args:
        step: optimiser steps at which it was taken.
        tags: shown with the model.

    Raises:
        XferError: the directory holds pickles, links or no ``config.json``.
    """
    directory = Path(directory)
    files = _publishable(directory)
    earlier = _earlier(store, run_id, files)
    if earlier:
        return earlier
    run = store.get(run_id)
    own = {names.key(k): names.tag(v) for k, v in tags.items()}
    model = store.ask(
        lambda: store.client.create_logged_model(
            run.experiment_id, name=NAME, source_run_id=run_id, tags=own, model_type="checkpoint"
        )
    )
    with tempfile.TemporaryDirectory(dir=_scratch()) as folder:
        extra = Path(folder) / "extra"
        extra.mkdir()
        flavour.files(directory, extra, run_id=run_id, model_id=model.model_id)
        files = {**files, **manifest.of(extra)}
        text = manifest.dump(files)
        last = Path(folder) / manifest.FILE
        last.write_text(text, encoding="utf-8")

        def upload() -> None:
            store.client.log_model_artifacts(model.model_id, str(directory))
            store.client.log_model_artifacts(model.model_id, str(extra))
            store.client.log_model_artifact(model.model_id, str(last))

        store.ask(upload)
    digest = hashlib.sha256(text.encode()).hexdigest()
    store.ask(lambda: store.client.set_logged_model_tags(model.model_id, {DIGEST_TAG: digest}))
    store.ask(lambda: store.client.finalize_logged_model(model.model_id, "READY"))
    store.ask(lambda: _link(store, run_id, model.model_id, step))
    return model.model_id


def intact(store: Store, reference: str) -> bool:
    """Whether the checkpoint is READY and, as far as can be seen without copying it, as published.

    Artifacts on this machine are compared by digest, others by name and size (:func:`fetch` compares
    their digests).
    """
    return not damage(store, reference)


def damage(store: Store, reference: str) -> str:
    """What is wrong with the checkpoint; empty if nothing is."""
    model = _find(store, reference)
    if model is None:
        return "no finished checkpoint"
    try:
        files = _manifest(store, model)
    except ValueError as error:
        return str(error)
    local = _local(model.artifact_location)
    if local is not None:
        found = manifest.faults(local, files, _HARMLESS)
    else:
        sizes = store.ask(lambda: _sizes(store.client, model.model_id))
        found = [f"{name} is missing or changed" for name, listed in files.items() if sizes.get(name) != listed.size]
    return "; ".join(found)


def fetch(store: Store, reference: str) -> Path:
    """The checkpoint's folder on this machine, verified; to be read only.

    Artifacts that lie on this machine are used where they are, others are kept under
    ``home()/checkpoints/<model id>``.

    Args:
        reference: a run id, ``runs:/<run>/model``, a model id or ``models:/<model id>``.

    Raises:
        XferError: no such checkpoint, or it is not as it was published.
    """
    model = _find(store, reference)
    if model is None:
        raise XferError(
            f"{reference} has no finished checkpoint.",
            "Repeat the command that was to make it; it goes on where it stopped.",
        )
    try:
        files = _manifest(store, model)
    except ValueError as error:
        raise _damaged(reference, str(error)) from error
    local = _local(model.artifact_location)
    folder = local if local is not None else home() / "checkpoints" / model.model_id
    if local is None and folder.is_dir() and manifest.faults(folder, files, _HARMLESS):
        shutil.rmtree(folder)  # a cached copy that was changed here
    if local is None and not folder.is_dir():
        _download(store, model.model_id, files, folder, reference)
    elif local is not None and (found := manifest.faults(folder, files, _HARMLESS)):
        raise _damaged(reference, "; ".join(found))
    return folder


def _download(store: Store, model_id: str, files: Mapping[str, manifest.Listed], folder: Path, reference: str) -> None:
    """Download into a neighbour of ``folder``, verify, rename: readers see all of it or nothing."""
    import mlflow

    with tempfile.TemporaryDirectory(dir=_scratch()) as scratch:
        target = Path(scratch) / "model"
        target.mkdir()
        store.ask(
            lambda: mlflow.artifacts.download_artifacts(
                artifact_uri=f"models:/{model_id}", dst_path=str(target), tracking_uri=store.uri
            )
        )
        for path in list(target.rglob("*")):  # only what the manifest lists is ever loaded
            if path.is_file() and path.relative_to(target).as_posix() not in files:
                path.unlink()
        found = manifest.faults(target, files)
        if found:
            raise _damaged(reference, "; ".join(found))
        try:
            target.rename(folder)
        except OSError:
            if not folder.is_dir():  # otherwise another process was faster, with the same bytes
                raise


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
            f"{directory} cannot be published: {', '.join(pickles)} may hold pickles.", "Save safetensors only."
        )
    return files


def _earlier(store: Store, run_id: str, files: Mapping[str, manifest.Listed]) -> str | None:
    """The run's finished model if it holds exactly ``files``; any other of its models is deleted."""
    kept = None
    for model in _models(store, run_id):
        try:
            listed = _manifest(store, model) if str(model.status) == "READY" else {}
        except ValueError:
            listed = {}
        if kept is None and files.items() <= listed.items() and not damage(store, model.model_id):
            kept = model.model_id
        else:
            log.info("Removing the unfinished or damaged model %s of run %s", model.model_id, run_id)
            store.ask(lambda model=model: store.client.delete_logged_model(model.model_id))
    return kept


def _link(store: Store, run_id: str, model_id: str, step: int) -> None:
    """Make the model an output of the run and note its id there; may be repeated."""
    from mlflow.entities import LoggedModelOutput

    if model_id not in store.get(run_id).models:
        store.client.log_outputs(run_id, models=[LoggedModelOutput(model_id, step=step)])
    store.client.set_tag(run_id, MODEL_TAG, model_id)


def _models(store: Store, run_id: str) -> list:
    """All models called ``model`` of the run, newest first."""
    experiment = store.get(run_id).experiment_id
    query = f"source_run_id = '{run_id}' AND name = '{NAME}'"
    order = [{"field_name": "creation_timestamp", "ascending": False}]
    return list(store.ask(lambda: store.client.search_logged_models([experiment], query, order_by=order)))


def _find(store: Store, reference: str):
    """The READY model behind ``reference``; None if there is none."""
    from mlflow.exceptions import MlflowException

    if match := _MODEL_URI.fullmatch(reference):
        try:
            model = store.ask(lambda: store.client.get_logged_model(match[1]))
        except MlflowException:
            return None
        return model if str(model.status) == "READY" else None
    match = _RUN_URI.fullmatch(reference)
    run_id = match[1] if match else reference
    return next((model for model in _models(store, run_id) if str(model.status) == "READY"), None)


def _manifest(store: Store, model) -> dict[str, manifest.Listed]:
    """The model's manifest.

    Raises:
        ValueError: absent, malformed, or not the one that was published.
    """
    from mlflow.exceptions import MlflowException
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    local = _local(model.artifact_location)
    try:
        if local is not None:
            data = (local / manifest.FILE).read_bytes()
        else:
            with tempfile.TemporaryDirectory() as folder:
                repository = get_artifact_repository(model.artifact_location, tracking_uri=store.uri)
                data = Path(store.ask(lambda: repository.download_artifacts(manifest.FILE, folder))).read_bytes()
    except (OSError, MlflowException) as error:
        raise ValueError(f"its manifest cannot be read: {error}") from error
    if hashlib.sha256(data).hexdigest() != model.tags.get(DIGEST_TAG):
        raise ValueError("its manifest is not the one that was published")
    return manifest.load(data.decode())


def _sizes(client, model_id: str, path: str | None = None) -> dict[str, int]:
    """Size in bytes of every file of a model, by path."""
    found: dict[str, int] = {}
    for entry in client.list_logged_model_artifacts(model_id, path):
        found |= _sizes(client, model_id, entry.path) if entry.is_dir else {entry.path: entry.file_size}
    return found


def _local(location: str) -> Path | None:
    """The folder behind an artifact location on this machine; None for remote ones."""
    parts = urlsplit(location)
    if parts.scheme == "file":
        return Path(unquote(parts.path))
    return Path(location) if parts.scheme == "" else None


def _scratch() -> Path:
    """Where downloads grow; on the cache's file system, so that the final rename is atomic."""
    folder = home() / "checkpoints"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _damaged(reference: str, found: str) -> XferError:
    return XferError(
        f"The checkpoint of {reference} is not as it was published: {found}.",
        "It is not used. Delete that run (or its model) in MLflow and repeat the command.",
    )
