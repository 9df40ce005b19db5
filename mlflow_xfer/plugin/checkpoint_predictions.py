"""Scores a checkpoint on a frame by the same code as an evaluation phase, not by MLflow's pipeline.

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
from mlflow_xfer.tasks.task import Task, TaskKind

GOLD = {
    TaskKind.CLASSIFICATION: "label",
    TaskKind.TAGGING: "tags",
    TaskKind.MULTIPLE_CHOICE: "label",
    TaskKind.SPAN_QA: "answers",
    TaskKind.RETRIEVAL: "gold",
}
MAY_LACK = {
    "text_b",
    "context",
    "question",
    "source",
    "target",
}  # of some kind; what all rows need is checked where it is read
SPLIT = "split"  # a column of mining: validation (the threshold is tuned there) or test


def predict_frame(model: Any, frame: Any, config: Mapping) -> list[dict]:
    """One row of figures for each task and language of ``frame``, as an evaluation phase has them.

    Args:
        model: a loaded pyfunc model with a transformers flavour; None: ``config["checkpoint"]`` says which.
        frame: columns ``task``, ``language``, ``reference`` and the canonical ones of the kind.
    """
    from mlflow_xfer.plugin.evaluator import task_of

    rows = []
    with tempfile.TemporaryDirectory(prefix="xfer-evaluate-") as folder:
        for name, part in frame.groupby("task", sort=False):
            task = task_of(name, config)
            directory, trained = _directory(model, name, config, Path(folder))
            options = {
                "max_seq_length": trained if trained and task.trained else task.recipe.max_seq_length,
                **config.get("options", {}),
            }
            if task.kind == TaskKind.RETRIEVAL:
                rows += _retrieved(task, part, directory, options, config.get("seed", 0))
            else:
                rows += _predicted(task, part, directory, options, config.get("seed", 0))
    return rows


def _predicted(task: Task, part: Any, directory: Path, options: Mapping[str, Any], seed: int) -> list[dict]:
    from mlflow_xfer.phases.evaluate import in_order, options_of, row
    from mlflow_xfer.training.predict import predict

    splits = {str(language): _split(rows, task) for language, rows in part.groupby("language", sort=False)}
    answers = predict(directory, task, splits, **options)
    gold = {
        str(language): _checked(task, language, list(rows["reference"]))
        for language, rows in part.groupby("language", sort=False)
    }
    return [
        row(
            task,
            language,
            in_order(answers[language], split),
            gold[language],
            options_of(task, split),
            seed=seed,
        )
        | _fared(task, split, directory, options)
        for language, split in splits.items()
    ]


def _checked(task: Task, language: Any, gold: list) -> list:
    if any(value is None for value in gold):
        raise XferError(f"{task.name} {language}: rows without a target cannot be scored.")
    return [
        value.split() if task.kind == TaskKind.TAGGING and isinstance(value, str) else value for value in gold
    ]


def _retrieved(task: Task, part: Any, directory: Path, options: Mapping[str, Any], seed: int) -> list[dict]:
    """Ranked lists among the candidates of the frame; mined pairs; or for each English sentence
    the row of its translation."""
    from mlflow_xfer.phases import retrieval
    from mlflow_xfer.phases.evaluate import row
    from mlflow_xfer.tasks.task import POOL

    def splits_of(rows: Any) -> dict[str, Any]:
        return {str(language): _split(mine, task) for language, mine in rows.groupby("language", sort=False)}

    splits, more = splits_of(part), {}
    if task.metric == "bucc_f1":
        dev = part[part[SPLIT] == "validation"] if SPLIT in part.columns else part
        tests = splits_of(part[part[SPLIT] == "test"]) if SPLIT in part.columns else {}
        (predicted, gold, _, drawn), thresholds = retrieval.mined(
            task, tests, splits_of(dev), directory, options
        )
        more = {
            code: {"component_threshold": value} | ({} if code in tests else {"split": "validation"})
            for code, value in thresholds.items()
        }
        splits = {code: tests.get(code, split) for code, split in splits.items()}
    elif task.metric == "map_at_20":
        beside = {POOL: splits.pop(POOL)} if POOL in splits else {}
        predicted, gold, _, drawn = retrieval.lists(task, splits, beside, directory, options)
    else:
        predicted, gold, _, drawn = retrieval.translations(task, splits, directory, options)
    return [
        row(task, code, predicted[code], gold[code], drawn.get(code), seed=seed)
        | _fared(task, splits[code], directory, options)
        | more.get(code, {})
        for code in predicted
    ]


def _fared(task: Task, split: Any, directory: Path, options: Mapping[str, Any]) -> dict[str, float]:
    from mlflow_xfer.training.predict import encoding_counts

    return encoding_counts(directory, task, {"": split}, max_seq_length=options["max_seq_length"])[""]


def _split(rows: Any, task: Task) -> Any:
    """A data set in the canonical columns of the task's kind; the gold ids of
    retrieval are among what it reads."""
    from datasets import Dataset

    columns = {}
    for name in ("id", *TEXTS[task.kind]):
        if name in rows.columns:
            columns[name] = [
                None if isinstance(v, float) else v.tolist() if hasattr(v, "tolist") else v
                for v in rows[name]
            ]
        elif name == "id":
            columns[name] = [str(i) for i in range(len(rows))]
        elif name in MAY_LACK:
            columns[name] = [None] * len(rows)
        else:
            raise XferError(
                f"There is no column {name!r}, which {task.name} ({task.kind}) needs.",
                f"Columns of the input: {', '.join(TEXTS[task.kind])}; or pass predict='pyfunc'.",
            )
    if task.kind == TaskKind.RETRIEVAL and task.metric != "retrieval_accuracy":
        columns["gold"] = [
            None if gold is None else [gold] if isinstance(gold, str) else list(gold)
            for gold in rows["reference"]
        ]
    return Dataset.from_dict(columns)


def _directory(model: Any, task: str, config: Mapping, folder: Path) -> tuple[Path, int | None]:
    """Where the files are, and the length that they were trained with, where that is known."""
    if model is None:
        from mlflow_xfer.phases.prediction import checkpoint_of
        from mlflow_xfer.tracking.store import Store

        with Store.open(probe=False) as store:
            found = checkpoint_of(str(config["checkpoint"]), None, lambda: store)
        return found.directory, found.max_seq_length if found.task else None
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
    import mlflow

    flavour = model.metadata.flavors["transformers"]
    model_id = getattr(model, "model_id", None) or getattr(model.metadata, "model_id", None)
    uri = (
        f"models:/{model_id}" if model_id else f"runs:/{model.metadata.run_id}/{model.metadata.artifact_path}"
    )
    root = Path(mlflow.artifacts.download_artifacts(artifact_uri=uri, dst_path=str(folder / "logged")))
    weights = root / flavour.get("model_binary", "model")
    if (weights / "tokenizer_config.json").is_file():
        return weights
    tokenizer = root / "components" / "tokenizer"
    if not tokenizer.is_dir():
        raise XferError(
            f"{uri} holds no tokenizer.", "Log the model with its tokenizer, or pass predict='pyfunc'."
        )
    for file in tokenizer.iterdir():
        shutil.copyfile(file, weights / file.name)
    return weights
