"""Models that other programs logged in MLflow, as directories that ``from_pretrained`` reads."""

from __future__ import annotations

import hashlib
import logging
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from mlflow_xfer.durable import manifest
from mlflow_xfer.durable.files import passing_folder
from mlflow_xfer.errors import XferError
from mlflow_xfer.home import home
from mlflow_xfer.models import files
from mlflow_xfer.tracking.references import named_now

if TYPE_CHECKING:
    from mlflow_xfer.tracking.session import Session

logger = logging.getLogger(__name__)

WEIGHTS, TOKENIZER = "model", Path("components", "tokenizer")
"""Where ``mlflow.transformers`` puts the two."""


def fetched(store: Session, reference: str) -> Path:
    """The checkpoint that ``models:/…`` or ``runs:/<run id>/<path>`` names, below :func:`home`.

    A model keeps its content and is downloaded once. Artifacts of a run may have changed: they are downloaded
    each time and lie under their content, so that what another command reads stays as it is.

    Raises:
        XferError: it is no model of transformers, or cannot be downloaded.
    """
    from mlflow.artifacts import download_artifacts
    from mlflow.exceptions import MlflowException

    uri, made = named_now(store, reference)
    keeps = not reference.startswith("runs:/")
    if keeps and manifest.is_whole(folder := _place(store.uri, uri, made)):
        return folder / WEIGHTS
    logger.info("Downloading %s", reference)
    with passing_folder(home() / "checkpoints" / "logged") as scratch:
        try:
            root = store.ask(lambda: download_artifacts(uri, dst_path=str(scratch), tracking_uri=store.uri))
        except MlflowException as error:
            raise XferError(
                f"model={reference} cannot be downloaded: {error.message}", "Look at its artifacts in MLflow."
            ) from error
        checkpoint = put_together(reference, Path(root))
        folder = _place(store.uri, uri, made if keeps else manifest.dump(manifest.of(checkpoint)))
        if not manifest.is_whole(folder):
            with manifest.sealed_folder(folder) as filled:
                shutil.move(checkpoint, filled / WEIGHTS)
    return folder / WEIGHTS


def _place(*parts: str) -> Path:
    key = hashlib.sha256("\n".join(parts).encode()).hexdigest()
    return home() / "checkpoints" / f"logged-{key[:32]}"


def put_together(reference: str, root: Path) -> Path:
    """The checkpoint in what was downloaded: a directory that ``save_pretrained`` wrote, or the model of
    ``mlflow.transformers``, to which its tokenizer is copied.
    """
    if (root / files.CONFIG).is_file():
        return root
    weights = root / WEIGHTS
    if not (weights / files.CONFIG).is_file():
        raise XferError(
            f"model={reference} holds no model of transformers. {files.held(root)}",
            "Accepted: what mlflow.transformers logged with its weights, or what save_pretrained wrote.",
        )
    for file in (root / TOKENIZER).iterdir() if (root / TOKENIZER).is_dir() else ():
        if not (weights / file.name).exists():
            shutil.copyfile(file, weights / file.name)
    return weights
