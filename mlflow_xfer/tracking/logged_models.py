"""Models that other programs logged in MLflow, as directories that ``from_pretrained`` reads."""

from __future__ import annotations

import hashlib
import logging
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from mlflow_xfer.durable import manifest
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

    A model keeps its content and is downloaded once; artifacts of a run may have changed, and are downloaded
    each time.

    Raises:
        XferError: it is no model of transformers, or cannot be downloaded.
    """
    from mlflow.artifacts import download_artifacts
    from mlflow.exceptions import MlflowException

    uri, made = named_now(store, reference)
    key = hashlib.sha256("\n".join((store.uri, uri, made)).encode()).hexdigest()
    folder = home() / "checkpoints" / f"logged-{key[:32]}"
    if reference.startswith("runs:/") or not manifest.is_whole(folder):
        logger.info("Downloading %s", reference)
        try:
            with manifest.sealed_folder(folder) as filled:
                (logged := filled / "logged").mkdir()
                root = store.ask(
                    lambda: download_artifacts(uri, dst_path=str(logged), tracking_uri=store.uri)
                )
                shutil.move(put_together(reference, Path(root)), filled / WEIGHTS)
                shutil.rmtree(logged, ignore_errors=True)
        except MlflowException as error:
            raise XferError(
                f"model={reference} cannot be downloaded: {error.message}", "Look at its artifacts in MLflow."
            ) from error
    return folder / WEIGHTS


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
