"""The published form of a trained model, and loading a task's head from it.

One task: the standard ``AutoModelFor…`` directory, with an LM head carried along in ``lm_head/``. Several
tasks: the backbone (a language model where there is an LM head) with ``heads/<task>/``. Both load with
``AutoModel.from_pretrained``; all weights are safetensors.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import nn

from mlflow_xfer.errors import XferError
from mlflow_xfer.models.heads import (
    LIKELIHOOD,
    LM_HEAD,
    NO_ANSWERS,
    OWN_HEADS,
    MultiTaskModel,
    build,
    head_class,
    head_config,
    head_tensors,
    load_head_tensors,
    task_head,
)
from mlflow_xfer.models.load import load_backbone, quiet
from mlflow_xfer.tasks.task import Task, TaskKind

HEADS = "heads"


def save(model: MultiTaskModel, tokenizer: Any, directory: Path) -> None:
    """Write ``model`` to the new folder ``directory``."""
    directory.mkdir(parents=True)
    single = next(iter(model.names)) if len(model.names) == 1 and not model.trains_lm else None
    if single is not None and not isinstance(model.head(single), OWN_HEADS):
        _save_root(model.head(single), directory)
        if model.lm is not None:
            _save_head(model.lm, model.backbone, directory / LM_HEAD, {})
    else:
        _save_root(model.lm if model.lm is not None else model.backbone, directory)
        for name in model.names:
            head = model.head(name)
            about = {
                "task": name,
                "kind": str(model.kinds[name]),
                "class": type(head).__name__,
                "config": head.config.to_diff_dict(),
            }
            _save_head(head, model.backbone, directory / HEADS / name, about)
    tokenizer.save_pretrained(directory)


def _save_root(model: nn.Module, directory: Path) -> None:
    with quiet():
        model.save_pretrained(directory)


def _save_head(model: nn.Module, backbone: nn.Module, folder: Path, about: dict[str, Any]) -> None:
    from safetensors.torch import save_file

    folder.mkdir(parents=True)
    save_file(
        {n: t.cpu() for n, t in head_tensors(model, backbone).items()},
        folder / "model.safetensors",
        metadata={"format": "pt"},
    )
    if about:
        (folder / "config.json").write_text(
            json.dumps(about, indent=1, sort_keys=True, ensure_ascii=False, default=str), encoding="utf-8"
        )


def load_task_model(directory: Path | str, task: Task, head: str | None = None) -> nn.Module:
    """The model that ``task`` was trained with: backbone and head.

    Args:
        directory: a published checkpoint.
        task: what to predict; its labels must be those of the head.
        head: name of the task whose head is used, where it is not ``task`` itself (MNLI's for XNLI).

    Raises:
        XferError: if the checkpoint has no head for the task, or one for other labels.
    """
    directory = Path(directory)
    if task.choice_scoring == LIKELIHOOD and task.kind == TaskKind.MULTIPLE_CHOICE:
        return build(directory, [task], lm=False, seed=0).head(task.name)
    backbone = load_backbone(directory)
    folder = _head_folder(directory, head or task.name)
    if folder is not None:
        saved = json.loads((folder / "config.json").read_text(encoding="utf-8"))["config"]
        task = replace(task, pooling=saved.get("retrieval_pooling", task.pooling))
        model = task_head(with_labels_of(saved, task, directory), backbone, 0)
        load_head_tensors(model, backbone, folder)
        setattr(model.config, NO_ANSWERS, saved.get(NO_ANSWERS, False))
        return model
    kind = head_class(task.kind, backbone.config)
    saved = json.loads((directory / "config.json").read_text(encoding="utf-8"))
    root = (saved.get("architectures") or ["a backbone"])[0]
    if not root.endswith(kind.__name__.removeprefix("AutoModel")):
        raise XferError(
            f"{directory} has no head for task {task.name!r} ({task.kind}); it holds {root}.",
            "Train the target first, or evaluate a checkpoint of its target phase.",
        )
    config = head_config(with_labels_of(saved, task, directory), backbone.config)
    setattr(config, NO_ANSWERS, saved.get(NO_ANSWERS, False))
    with quiet():
        return kind.from_pretrained(
            directory, config=config, local_files_only=True, use_safetensors=True, dtype="float32"
        )


ROOTS = {
    "ForSequenceClassification": TaskKind.CLASSIFICATION,
    "ForTokenClassification": TaskKind.TAGGING,
    "ForQuestionAnswering": TaskKind.SPAN_QA,
    "ForMultipleChoice": TaskKind.MULTIPLE_CHOICE,
}


def heads_of(directory: Path | str) -> dict[str, Task]:
    """What a checkpoint can predict, by head: kind and labels as the heads say them.

    A head at the root has no name of its own and stands under ``""``; a checkpoint without
    task heads gives nothing.
    """
    directory, found = Path(directory), {}
    if (directory / HEADS).is_dir():
        for folder in sorted((directory / HEADS).iterdir()):
            about = json.loads((folder / "config.json").read_text(encoding="utf-8"))
            found[folder.name] = _declared(about["task"], TaskKind(about["kind"]), about["config"])
        return found
    config = json.loads((directory / "config.json").read_text(encoding="utf-8"))
    root = (config.get("architectures") or [""])[0]
    kind = next((kind for ending, kind in ROOTS.items() if root.endswith(ending)), None)
    return {"": _declared("", kind, config)} if kind else {}


def _declared(name: str, kind: TaskKind, config: dict[str, Any]) -> Task:
    labels = config.get("id2label") or {"0": "LABEL_0", "1": "LABEL_1"}  # transformers leaves its default out
    names = (
        tuple(labels[key] for key in sorted(labels, key=int))
        if kind in (TaskKind.CLASSIFICATION, TaskKind.TAGGING)
        else ()
    )
    return Task(name=name, kind=kind, metric="", languages=(), sources={}, labels=names)


def _head_folder(directory: Path, name: str) -> Path | None:
    """``heads/<name>``; a checkpoint with a single head leaves no doubt which."""
    folder = directory / HEADS / name
    if folder.is_dir():
        return folder
    only = sorted((directory / HEADS).iterdir()) if (directory / HEADS).is_dir() else []
    return only[0] if len(only) == 1 else None


def with_labels_of(config: dict[str, Any], task: Task, directory: Path) -> Task:
    """``task`` with its labels in the order of the saved head, which may know more of them.

    Raises:
        XferError: if the head lacks one of the task's labels.
    """
    saved = config.get("id2label")
    if not saved or not task.labels:
        return task
    have = tuple(saved[key] for key in sorted(saved, key=int))
    if not set(task.labels) <= set(have):
        raise XferError(
            f"The head in {directory} is for labels {', '.join(have)}; "
            f"task {task.name!r} has {', '.join(task.labels)}."
        )
    return replace(task, labels=have)
