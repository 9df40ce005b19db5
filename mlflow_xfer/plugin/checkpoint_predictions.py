"""Predictions of a logged transformers model by the same code as an evaluation phase, not by MLflow's pipeline.

The pipeline tags subwords of a joined text and cuts long inputs, so its figures would differ from ours.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlflow_xfer.data.rows import TEXTS
from mlflow_xfer.errors import XferError
from mlflow_xfer.tasks.task import Task


def predict_frame(model: Any, frame: Any, config: Mapping) -> list:
    """One prediction for each row of ``frame`` (columns ``task``, ``language`` and the canonical ones of the kind).

    Args:
        model: a loaded pyfunc model with a transformers flavour.
    """
    from mlflow_xfer.tasks.catalogue import TASKS
    from mlflow_xfer.training.predict import predict

    found: list = [None] * len(frame)
    with tempfile.TemporaryDirectory(prefix="xfer-evaluate-") as folder:
        checkpoint = _checkpoint(model, Path(folder))
        for name, part in frame.groupby("task", sort=False):
            task = TASKS.get(name)
            by_language = dict(list(part.groupby("language", sort=False)))
            splits = {str(language): _split(rows, task) for language, rows in by_language.items()}
            answers = predict(checkpoint, task, splits, **config.get("options", {}))
            for language, rows in by_language.items():
                mine, split = answers[str(language)], splits[str(language)]
                if isinstance(mine, Mapping):
                    mine = [mine.get(key) for key in split["id"]]
                for row, answer in zip(rows.index, mine, strict=True):
                    found[row] = answer
    return found


def _split(rows: Any, task: Task) -> Any:
    """A data set in the canonical columns of the task's kind."""
    from datasets import Dataset

    columns = {}
    for name in ("id", *TEXTS[task.kind]):
        if name in rows.columns:
            columns[name] = [
                None if isinstance(v, float) else v.tolist() if hasattr(v, "tolist") else v for v in rows[name]
            ]
        elif name == "id":
            columns[name] = [str(i) for i in range(len(rows))]
        elif name == "text_b":
            columns[name] = [None] * len(rows)
        else:
            raise XferError(
                f"There is no column {name!r}, which {task.name} ({task.kind}) needs.",
                f"Columns of the input: {', '.join(TEXTS[task.kind])}; or pass predict='pyfunc'.",
            )
    return Dataset.from_dict(columns)


def _checkpoint(model: Any, folder: Path) -> Path:
    """A directory that ``from_pretrained`` reads, put together from the layout of ``mlflow.transformers``."""
    import mlflow

    flavour = model.metadata.flavors["transformers"]
    model_id = getattr(model, "model_id", None) or getattr(model.metadata, "model_id", None)
    uri = f"models:/{model_id}" if model_id else f"runs:/{model.metadata.run_id}/{model.metadata.artifact_path}"
    root = Path(mlflow.artifacts.download_artifacts(artifact_uri=uri, dst_path=str(folder / "logged")))
    weights = root / flavour.get("model_binary", "model")
    if (weights / "tokenizer_config.json").is_file():
        return weights
    tokenizer = root / "components" / "tokenizer"
    if not tokenizer.is_dir():
        raise XferError(f"{uri} holds no tokenizer.", "Log the model with its tokenizer, or pass predict='pyfunc'.")
    for file in tokenizer.iterdir():
        shutil.copyfile(file, weights / file.name)
    return weights
