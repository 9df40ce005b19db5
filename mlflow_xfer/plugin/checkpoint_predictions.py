"""Scores a checkpoint on a frame by the same code as an evaluation phase, not by MLflow's pipeline.

The pipeline tags subwords of a joined text and cuts long inputs, so its figures would differ from ours.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from mlflow_xfer.data.distinct import Ids
from mlflow_xfer.errors import XferError
from mlflow_xfer.kinds import kind
from mlflow_xfer.lines import scalar_text
from mlflow_xfer.plugin.frame import task_of
from mlflow_xfer.tasks.task import Task


def predict_frame(model: Any, frame: Any, config: Mapping) -> list[dict]:
    """One row of figures for each task and language of ``frame``, as an evaluation phase has them.

    Args:
        model: a loaded pyfunc model with a transformers flavour; None: ``config["checkpoint"]`` says which.
        frame: columns ``task``, ``language``, ``reference`` and the canonical ones of the kind.
    """
    from mlflow_xfer.models.limits import longest
    from mlflow_xfer.models.load import load_config
    from mlflow_xfer.phases.predictor import CheckpointPredictor
    from mlflow_xfer.scoring.evaluation import row

    rows = []
    with tempfile.TemporaryDirectory(prefix="xfer-evaluate-") as folder:
        for name, part in frame.groupby("task", sort=False):
            task = task_of(name, config, part)
            directory, trained = _directory(model, name, config, Path(folder))
            length = trained if trained and task.trained else task.recipe.max_seq_length
            options = {
                "max_seq_length": min(length, longest(load_config(directory).to_dict()) or length),
                **config.get("options", {}),
            }
            predictor, judging = CheckpointPredictor(directory, task, options), kind.scoring(task.kind)
            splits = judging.table_splits(task, part, partial(_split, task=task))
            result = judging.evaluation(task, splits, predictor)
            fares = predictor.encoding({language: one.split for language, one in result.items()})
            rows += [
                row(task, language, one, seed=config.get("seed", 0)) | fares[language] | one.more
                for language, one in result.items()
            ]
    return rows


def _split(rows: Any, task: Task) -> Any:
    """Rows in one language as a data set in the canonical columns of the task's
    kind, right answers included."""
    from datasets import Dataset

    judging = kind.scoring(task.kind)
    columns = {}
    for name in ("id", *kind.data(task.kind).texts):
        if name in rows.columns:
            columns[name] = [_cell(v) for v in rows[name]]
            needed = name in kind.data(task.kind).texts and name not in judging.may_lack
            if needed and None in columns[name]:
                raise XferError(f"Row {columns[name].index(None)} of {task.name!r} has no {name}.")
        elif name == "id":
            continue
        elif name in judging.may_lack:  # what all rows need is checked where it is read
            columns[name] = [None] * len(rows)
        else:
            raise XferError(
                f"There is no column {name!r}, which {task.name} ({task.kind}) needs.",
                f"Columns of the input: {', '.join(kind.data(task.kind).texts)}; or pass predict='pyfunc'.",
            )
    if "id" not in columns:
        named = (kind.data(task.kind).ids or Ids)()
        texts = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
        columns["id"] = [named(None, number, row) for number, row in enumerate(texts)]
    return Dataset.from_dict(
        columns | judging.columns(task, rows["language"].iloc[0], list(rows["reference"]))
    )


def _cell(value: Any) -> Any:
    """A text, list of texts or id without pandas' types; numbers are texts, NaN is nothing."""
    value = value.tolist() if hasattr(value, "tolist") else value
    if isinstance(value, float) and value != value:
        return None
    return scalar_text(value) if isinstance(value, int | float) else value


def _directory(model: Any, task: str, config: Mapping, folder: Path) -> tuple[Path, int | None]:
    """Where the files are, and the length that they were trained with, where that is known."""
    if model is None:
        from mlflow_xfer.phases.prediction import checkpoint_of
        from mlflow_xfer.tracking.store import Store

        with Store.open(probe=False) as store:
            checkpoint = checkpoint_of(str(config["checkpoint"]), None, lambda: store)
        return checkpoint.directory, checkpoint.max_seq_length if checkpoint.task else None
    return _checkpoint(model, folder), _trained_length(model)


def _trained_length(model: Any) -> int | None:
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    try:
        return int(MlflowClient().get_run(model.metadata.run_id).data.params["max_seq_length"])
    except (MlflowException, KeyError, ValueError):  # not logged by a training phase
        return None


def _checkpoint(model: Any, folder: Path) -> Path:
    """A directory that ``from_pretrained`` reads, put together from the layout of ``mlflow.transformers``."""
    from mlflow.artifacts import download_artifacts

    from mlflow_xfer.tracking.logged_models import put_together

    model_id = getattr(model, "model_id", None) or getattr(model.metadata, "model_id", None)
    uri = (
        f"models:/{model_id}" if model_id else f"runs:/{model.metadata.run_id}/{model.metadata.artifact_path}"
    )
    checkpoint = put_together(uri, Path(download_artifacts(uri, dst_path=str(folder / "logged"))))
    if not any(checkpoint.glob("tokenizer*")):
        raise XferError(
            f"{uri} holds no tokenizer.", "Log the model with its tokenizer, or pass predict='pyfunc'."
        )
    return checkpoint
