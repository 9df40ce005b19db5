"""What the ``model`` parameter may name, and the identity of each:
directory, run, logged model, hub id, scratch.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from mlflow_xfer.durable.digests import file_digest
from mlflow_xfer.errors import XferError
from mlflow_xfer.models import files
from mlflow_xfer.models.files import CONFIG
from mlflow_xfer.models.limits import longest
from mlflow_xfer.models.scratch import POSITIONS, parse_scratch
from mlflow_xfer.params.chain import Data
from mlflow_xfer.params.declare import Shape
from mlflow_xfer.phases.phase import BaseModel, FinishedRun, digest
from mlflow_xfer.tasks.task import Task
from mlflow_xfer.tracking import artifacts, logged_models, published
from mlflow_xfer.tracking.references import names_files, run_of
from mlflow_xfer.tracking.runs import RUN_ID

if TYPE_CHECKING:
    from mlflow_xfer.tracking.store import Store

OF_OTHERS = (
    "Of what another program logged name the model itself: models:/<name>/<version> or runs:/<run id>/<path>."
)

HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")
COMMIT = re.compile(r"[0-9a-f]{40}")
MARKS = (
    "xfer.tasks",
    "xfer.combine",
    "xfer.control",
    "xfer.train_on",
    "xfer.target_shots",
    "xfer.oracle",
    "xfer.base_seen",
    "xfer.base_seed",
)  # they hold for what is made from a run, too
ACCEPTED = (
    "Accepted: mini, scratch:<xlm-roberta|llama>:<size>, a directory, a run id, runs:/<run id>[/<path>], "
    "models:/<name or id>, a hub id."
)


@dataclass
class References:
    """Finds what a chain starts from. The store is opened only for references that need it."""

    open_store: Callable[[], Store]
    fetch: bool = False  # download hub models now, so that their commit is known
    weightless: bool = False  # take directories that hold a configuration alone: enough for a plan
    fetched: dict[str, Path] = field(default_factory=dict)  # models of others, each downloaded once

    def __call__(self, reference: str, revision: str | None, tokenizer: str) -> BaseModel | FinishedRun:
        """Raises :class:`XferError` for what does not exist or is no checkpoint."""
        if not reference.strip():
            raise XferError("model= names nothing.", ACCEPTED)
        if reference.startswith("scratch:"):
            return self.scratch(reference, tokenizer)
        if names_run(reference):
            return self.logged(reference)
        if Path(reference).expanduser().is_dir():
            return directory(reference, Path(reference).expanduser(), self.weightless)
        if reference.startswith((".", "/", "~")):
            raise XferError(f"model={reference}: no such directory, and no name of anything else.", ACCEPTED)
        return hub(reference, revision, self.fetch)

    def scratch(self, reference: str, tokenizer: str) -> BaseModel:
        parse_scratch(reference)
        if tokenizer == "auto":
            return BaseModel(reference, f"{reference}:auto", longest=POSITIONS)
        if not Path(tokenizer).expanduser().is_dir():
            raise XferError(
                f"tokenizer={tokenizer}: no such directory.", "Give a directory with tokenizer.json, or auto."
            )
        folder = Path(tokenizer).expanduser().absolute()
        identity = f"{reference}:{file_digest(folder / 'tokenizer.json')}"
        return BaseModel(reference, identity, str(folder), POSITIONS)

    def logged(self, reference: str) -> BaseModel | FinishedRun:
        store = self.open_store()
        run_id = run_of(store, reference)
        run = store.answer(run_id)
        if "xfer.kind" not in run.tags and names_files(reference):
            if reference not in self.fetched:
                self.fetched[reference] = logged_models.fetched(store, reference)
            return directory(reference, self.fetched[reference], self.weightless)
        if run.tags.get("xfer.kind") != "phase" or "xfer.spec_hash" not in run.tags:
            raise XferError(
                f"model={reference}: run {run_id} holds no checkpoint of a phase.",
                f"Name a run of kind phase (pretrain, intermediate or target). {OF_OTHERS}",
            )
        if run.status != "FINISHED":
            raise XferError(
                f"model={reference}: run {run_id} is {run.status}.",
                "Repeat its command first: it goes on from the last checkpoint.",
            )
        tags, seed = run.tags, run.tags.get("xfer.seed", "")
        marks = {name: tags[name] for name in MARKS if name in tags}
        return FinishedRun(
            reference,
            run.run_id,
            tags["xfer.spec_hash"],
            tags["xfer.code_hash"],
            tags["xfer.phase"],
            tuple(filter(None, (tags.get("xfer.target") or tags.get("xfer.tasks", "")).split(","))),
            marks,
            _longest_of_run(store, run.run_id),
            int(seed) if seed.isdecimal() else None,
        )


def names_run(reference: str) -> bool:
    """Whether it names a run: by its id, ``runs:/…`` or ``models:/…``, or by a name that nothing else has."""
    if reference.startswith(("runs:/", "models:/")) or RUN_ID.fullmatch(reference):
        return True
    if reference.startswith((".", "/", "~", "scratch:")) or Path(reference).expanduser().is_dir():
        return False
    return not HUB_ID.fullmatch(reference)


def _longest_of_run(store: Store, run_id: str) -> int | None:
    """What the checkpoint of a run reads at most; None where the store does not say."""
    model = published.find(store, run_id)
    config = artifacts.read(store, model.artifact_location, CONFIG) if model is not None else None
    return _longest(config) if config is not None else None


def _longest(config: bytes) -> int | None:
    """What a model reads at most, by the bytes of its configuration; a malformed one is refused elsewhere."""
    try:
        values = json.loads(config)
    except ValueError:
        return None
    return longest(values) if isinstance(values, dict) else None


def task_file_tasks(params: Shape) -> dict[str, Task]:
    """The tasks of the user's task file, by name."""
    if not isinstance(params, Data) or not params.task_file:
        return {}
    from mlflow_xfer.tasks.task_file import load_task_file

    return {task.name: task for task in load_task_file(params.task_file)}


def directory(reference: str, folder: Path, weightless: bool = False) -> BaseModel:
    """A local checkpoint: identified by the bytes of its weights, configuration and tokenizer.

    With ``weightless`` a folder without weights is taken, too; no reuse is claimed for what starts from it.
    """
    if not (folder / CONFIG).is_file():
        raise files.no_model(folder)
    if weightless and not any(folder.glob("*.safetensors")):
        most = _longest((folder / CONFIG).read_bytes())
        return BaseModel(reference, f"unresolved:dir:{folder.absolute()}", str(folder.absolute()), most)
    try:
        listed = files.of(folder)
    except XferError as error:
        raise XferError(f"model={reference}: {error.what}", error.hint) from error
    parts = [[path.relative_to(folder).as_posix(), file_digest(path)] for path in listed]
    identity = f"dir:{digest(parts)}"
    return BaseModel(reference, identity, str(folder.absolute()), _longest((folder / CONFIG).read_bytes()))


def check_unchanged(model: BaseModel) -> None:
    """Raise where the files of a local checkpoint are not those that were planned with: runs that start from
    it are known by their digest."""
    if not model.identity.startswith("dir:"):
        return
    if directory(model.reference, Path(model.path)).identity != model.identity:
        raise XferError(
            f"model={model.reference}: its files have changed since the command began.",
            "Give each checkpoint a folder of its own, and repeat the command.",
        )


def hub(reference: str, revision: str | None, fetch: bool = False) -> BaseModel:
    """A hub model: identified by its commit,
    which is the revision asked for or the one in the local cache.
    """
    path = _download(reference, revision) if fetch else reference
    commit = (
        revision if revision and COMMIT.fullmatch(revision) else _cached_commit(reference, revision or "main")
    )
    if commit is None:
        return BaseModel(reference, f"unresolved:hub:{reference}@{revision or 'main'}", path)
    config = _cached(reference, commit)
    most = _longest(config.read_bytes()) if config.is_file() else None
    return BaseModel(reference, f"hub:{reference}@{commit}", path, most)


def _cached_commit(reference: str, revision: str) -> str | None:
    from huggingface_hub import constants

    ref = Path(constants.HF_HUB_CACHE) / f"models--{reference.replace('/', '--')}" / "refs" / revision
    return ref.read_text().strip() if ref.is_file() else None


def _cached(reference: str, commit: str) -> Path:
    """Where the local cache holds a hub model's configuration, if it does."""
    from huggingface_hub import constants

    folder = Path(constants.HF_HUB_CACHE) / f"models--{reference.replace('/', '--')}"
    return folder / "snapshots" / commit / CONFIG


def cached_configuration(base: BaseModel) -> Path | None:
    """Where the local cache holds the configuration of a hub model, if it does."""
    commit = base.identity.rpartition("@")[2] if base.identity.startswith("hub:") else None
    return _cached(base.reference, commit) if commit else None


def _download(reference: str, revision: str | None) -> str:
    """The local snapshot of a hub model: weights as safetensors,
    configuration, tokenizer; no code, no pickles.
    """
    from huggingface_hub import snapshot_download

    try:
        return snapshot_download(
            reference, revision=revision, allow_patterns=["*.safetensors", "*.json", "*.model", "*.txt"]
        )
    except Exception as error:  # the hub client raises a dozen classes, from connection errors to bad ids
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise XferError(
            f"model={reference}: not a directory or run here, and the hub does not give it ({reason}).",
            ACCEPTED,
        ) from error
