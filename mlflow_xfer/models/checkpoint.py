"""The published form of a trained model, and loading a task's head from it.

One task: the standard ``AutoModelFor…`` directory, with an LM head carried along in ``lm_head/``. Several
tasks, or a head that is none of transformers': the backbone (a language model where there is an LM head) with
``heads/<task>/``. Both load with ``AutoModel.from_pretrained``; all weights are safetensors.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import nn

from mlflow_xfer.errors import XferError
from mlflow_xfer.kinds import kind
from mlflow_xfer.models import prompt, summaries
from mlflow_xfer.models.heads import (
    LM_HEAD,
    MultiTaskModel,
    OwnHead,
    build,
    head_tensors,
    load_head_tensors,
)
from mlflow_xfer.models.layer_mix import MARK, read_layers, reads_layers
from mlflow_xfer.models.limits import PROMPT
from mlflow_xfer.models.load import load_backbone, load_class, load_config, quiet
from mlflow_xfer.tasks.task import Task

HEADS = "heads"


def save(model: MultiTaskModel, tokenizer: Any, directory: Path) -> None:
    """Write ``model`` to the folder ``directory``."""
    directory.mkdir(parents=True, exist_ok=True)
    single = next(iter(model.names)) if len(model.names) == 1 and not model.trains_lm else None
    if single is not None and not (has_own_form(model.head(single))):
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


def has_own_form(head: Any) -> bool:
    """Whether transformers has no class that holds all of ``head``."""
    return isinstance(head, OwnHead) or reads_layers(head) or prompt.is_prompted(head)


def _save_root(model: Any, directory: Path) -> None:
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


def load_task_model(directory: Path | str, task: Task, head: str | None = None) -> Any:
    """The model that ``task`` was trained with: backbone and head.

    Args:
        directory: a published checkpoint.
        task: what to predict; its labels must be those of the head.
        head: name of the task whose head is used, where it is not ``task`` itself (MNLI's for XNLI).

    Raises:
        XferError: if the checkpoint has no head for the task, or one for other labels.
    """
    directory, made = Path(directory), kind.model(task.kind)
    if not kind.data(task.kind).needs_head(task):
        return _without_head(directory, task, head)
    declared, saved = saved_head(directory, task, head)
    folder = _head_folder(directory, head or task.name)
    if folder is not None:
        backbone = load_backbone(directory)
        model = made.head(declared, backbone, 0)
        if saved.get(MARK) == "layers":
            read_layers(model, backbone)
        if length := saved.get(PROMPT):
            prompt.put(model, backbone, prompt.empty(backbone, length))
        load_head_tensors(model, backbone, folder)
        _mark(model.config, made, saved)
        return model
    its = load_config(directory)
    config = made.head_config(declared, its)
    _mark(config, made, saved)
    return load_class(made.head_class(its), directory, config)


def _without_head(directory: Path, task: Task, head: str | None) -> Any:
    """The model of a task that needs no head, with the prompt that it was trained with."""
    built = build(directory, [task], lm=False, seed=0)
    model, folder = built.head(task.name), _head_folder(directory, head or task.name)
    if folder is not None:
        saved = json.loads((folder / "config.json").read_text(encoding="utf-8"))["config"]
        if length := saved.get(PROMPT):
            prompt.put(model, built.backbone, prompt.empty(built.backbone, length))
            load_head_tensors(model, built.backbone, folder)
    return model


def saved_head(directory: Path, task: Task, head: str | None = None) -> tuple[Task, dict[str, Any]]:
    """``task`` as the head in ``directory`` was trained on it, and that head's configuration; no tensor is
    read. Arguments and errors as for :func:`load_task_model`."""
    made, folder = kind.model(task.kind), _head_folder(directory, head or task.name)
    if folder is not None:
        saved = json.loads((folder / "config.json").read_text(encoding="utf-8"))["config"]
        return made.as_saved(task, saved, directory), saved
    its = load_config(directory)
    of_head = made.head_class(its)
    saved = json.loads((directory / "config.json").read_text(encoding="utf-8"))
    if not made.loaded(saved):
        root = (saved.get("architectures") or ["a backbone"])[0]
        held = "".join(f", a head for {one.kind}" for one in heads_of(directory).values())
        raise XferError(
            f"{directory} has no head for task {task.name!r} ({task.kind}); it holds {root}{held}.",
            "Train the target first, or evaluate a checkpoint of its target phase.",
        )
    if not hasattr(of_head, "from_pretrained"):
        raise XferError(
            f"{directory} holds a {saved['architectures'][0]}, a class that is not supported.",
            f"Train a head for {task.kind} on it: of {its.model_type} the encoder alone is read.",
        )
    summaries.check(of_head, its)
    return made.as_saved(task, saved, directory), saved


def _mark(config: Any, made: kind.Model, saved: Mapping[str, Any]) -> None:
    for mark in made.marks:
        setattr(config, mark, saved.get(mark, False))


def heads_of(directory: Path | str) -> dict[str, Task]:
    """What a checkpoint can predict, by head: kind and labels as the heads say them.

    A head at the root has no name of its own and stands under ``""``; a checkpoint without
    task heads gives nothing.
    """
    directory, heads = Path(directory), {}
    if (directory / HEADS).is_dir():
        for folder in sorted((directory / HEADS).iterdir()):
            about = json.loads((folder / "config.json").read_text(encoding="utf-8"))
            heads[folder.name] = _declared(about["task"], about["kind"], about["config"])
        return heads
    config = json.loads((directory / "config.json").read_text(encoding="utf-8"))
    mine = next((name for name in kind.KINDS.names() if kind.model(name).loaded(config)), None)
    return {"": _declared("", mine, config)} if mine else {}


def _declared(name: str, kind_name: str, config: Mapping[str, Any]) -> Task:
    labels = kind.model(kind_name).labels(config)
    return Task(name, kind_name, metric="", languages=(), sources={}, labels=labels)


def _head_folder(directory: Path, name: str) -> Path | None:
    """``heads/<name>``; a checkpoint with a single head leaves no doubt which."""
    folder = directory / HEADS / name
    if folder.is_dir():
        return folder
    only = sorted((directory / HEADS).iterdir()) if (directory / HEADS).is_dir() else []
    return only[0] if len(only) == 1 else None
