"""Predictions of a trained checkpoint for a user's own examples: any run or directory, any kind of head.

A checkpoint without a head for a task (``pretrain``) says which of the texts lie nearest to each other.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlflow_xfer.data.unlabelled import with_own_columns
from mlflow_xfer.errors import XferError
from mlflow_xfer.kinds import kind
from mlflow_xfer.models.checkpoint import heads_of
from mlflow_xfer.models.files import CONFIG
from mlflow_xfer.models.limits import SHORTEST, check_size, longest
from mlflow_xfer.phases import whole
from mlflow_xfer.phases.phase import BaseModel
from mlflow_xfer.phases.predictor import CheckpointPredictor
from mlflow_xfer.phases.references import OF_OTHERS, References, names_run
from mlflow_xfer.tasks.task import Task
from mlflow_xfer.tracking.references import names_files, run_of

if TYPE_CHECKING:
    from mlflow_xfer.tracking.runs import RunView
    from mlflow_xfer.tracking.store import Store

logger = logging.getLogger(__name__)

MAX_SEQ_LENGTH = 128
"""What a training reads where it says nothing else."""

USUAL = 512
"""The most tokens that are read of a text by a model of which nothing says with how many it was trained: what
most encoders read, however much longer texts a model may take."""

ABOUT = "mlflow_xfer.json"
"""Beside a published checkpoint: the ``max_seq_length`` that it was trained with."""

SAID = ((ABOUT, "max_seq_length"), ("tokenizer_config.json", "model_max_length"))


@dataclass(frozen=True)
class Checkpoint:
    """A directory to predict from; ``task`` is what the run behind it was trained on ("" for a directory)."""

    directory: Path
    task: str = ""
    max_seq_length: int = MAX_SEQ_LENGTH


class _Telling(CheckpointPredictor):
    """Says how many of the texts were cut."""

    def answers(self, splits: Mapping[str, Any]) -> dict[str, list]:
        found = super().answers(splits)
        self._tell(splits)
        return found

    def vectors(self, splits: Mapping[str, Any]) -> Mapping[str, Any]:
        found = super().vectors(splits)
        self._tell(splits)
        return found

    def _tell(self, splits: Mapping[str, Any]) -> None:
        if kind.data(self.task.kind).windows:
            return
        shares = self.encoding(splits)
        cut = sum(round(len(split) * shares[name]["truncated"] / 100) for name, split in splits.items())
        if cut:
            logger.warning(
                "%d of %d texts were cut at %d tokens (max_seq_length).",
                cut,
                sum(map(len, splits.values())),
                self.options["max_seq_length"],
            )


def predict_file(
    model: str,
    file: Path | str,
    task: str | None,
    open_store: Callable[[], Store],
    max_seq_length: int | None = None,
) -> list[dict[str, Any]]:
    """One row for each example of ``file``: its columns as they are, and ``prediction``; ``id`` is the line's
    number where the file has none.

    Args:
        model: a directory, hub id, run (of a transfer or condition: its trained
            target), ``runs:/…`` or ``models:/…``.
        task: which target or head, where there are several.
        max_seq_length: tokens that are read of a text; None: as many as the model was trained with, where
            that is known, else as many as it takes, at most :data:`USUAL`.

    Raises:
        XferError: no such model or head, or a file that does not read as the head's kind needs.
    """
    checkpoint = checkpoint_of(model, task, open_store)
    head, declared = _head(checkpoint, task)
    examples = with_own_columns(file, declared.kind)
    own, rows = [own for own, _ in examples], [row for _, row in examples]
    judged = kind.scoring(declared.kind)
    for name in judged.predicts:
        if any(name in one for one in own):
            raise XferError(
                f"{file} has a column {name!r}, and that is what the prediction is called.", "Rename it."
            )
    logger.info("%s: %d examples, %s", declared.name or declared.kind, len(rows), checkpoint.directory)
    length = max_seq_length or checkpoint.max_seq_length
    check_size(length, longest(json.loads((checkpoint.directory / CONFIG).read_text(encoding="utf-8"))))
    options = {"max_seq_length": length, "head": head}
    predictor = _Telling(checkpoint.directory, declared, options)
    found = judged.predicted(declared, rows, predictor)
    return [
        one | {name: answer[name] for name in judged.predicts} for one, answer in zip(own, found, strict=True)
    ]


def checkpoint_of(model: str, task: str | None, open_store: Callable[[], Store]) -> Checkpoint:
    """Where the files of ``model`` are; arguments and errors as for :func:`predict_file`."""
    if model == "mini" or model.startswith("scratch:"):
        raise XferError(
            f"model={model} is no result: nothing has been trained yet.",
            "Train a target first (mlflow-xfer transfer --target pos) and give the run's id.",
        )
    if names_run(model):
        store = open_store()
        found = store.answer(run_of(store, model))
        if found.kind or not names_files(model):  # else another program's, taken as a directory is
            return _of_run(store, found, model, task)
    base = References(open_store, fetch=True)(model, None, "auto")
    assert isinstance(base, BaseModel)
    folder = Path(base.path)
    known = [base.longest, *(_number(folder / name, key) for name, key in SAID)]
    return Checkpoint(folder, max_seq_length=min([USUAL, *(one for one in known if one is not None)]))


def _number(file: Path, key: str) -> int | None:
    """What ``file`` says of how many tokens are read; None for what is none, and for what leaves no room."""
    try:
        said = json.loads(file.read_text(encoding="utf-8"))[key]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return int(said) if isinstance(said, int | float) and said >= SHORTEST else None


def _of_run(store: Store, found: RunView, model: str, task: str | None) -> Checkpoint:
    run, *others = trained(store, found, task)
    if others:
        logger.info("%s has %d replicates; this is the first, run %s", model, 1 + len(others), run.run_id)
    limit = int(run.params.get("max_seq_length") or MAX_SEQ_LENGTH)
    target = run.tags.get("xfer.target") or run.tags.get("xfer.tasks", "")
    return Checkpoint(whole.at_hand(store, run.run_id), target, limit)


def trained(store: Store, run: RunView, task: str | None) -> list[RunView]:
    """The training behind ``run``: itself, what it evaluated, or the target that it
    trained; of a condition with all its replicates.

    Args:
        task: which target, where there are several.
    """
    if run.kind == "phase" and run.tags.get("xfer.phase") != "evaluate":
        return [run]
    targets: dict[str, list[RunView]] = {}
    for made in behind(store, run):
        if made.tags.get("xfer.phase") == "target":
            targets.setdefault(made.tags.get("xfer.target", ""), []).append(made)
    if run.kind == "phase" and not targets and run.inputs:  # an evaluation straight from a backbone
        return [store.get(run.inputs[0])]
    if not targets:
        raise XferError(
            f"Run {run.run_id} ({run.kind or 'not of mlflow-xfer'}) has no trained target.",
            f"Name a run of phase target, a transfer with a trained target, or a directory. {OF_OTHERS}",
        )
    if task is None and len(targets) > 1 or task is not None and task not in targets:
        raise XferError(
            f"Run {run.run_id} trained {', '.join(sorted(targets))}: "
            f"{'which of them?' if task is None else f'no {task!r}.'}",
            f"Name one: task={sorted(targets)[0]}",
        )
    return targets[task or next(iter(targets))]


def behind(store: Store, run: RunView) -> list[RunView]:
    """The phase runs that a condition, transfer or evaluation stands on, one level of transfers
    unfolded; a study is too many."""
    if run.kind == "study":
        raise XferError(
            f"Run {run.run_id} is a study of several conditions.",
            "Name one of its conditions, transfers or target runs; mlflow-xfer lineage RUN shows them.",
        )
    inputs = [store.get(run_id) for run_id in run.inputs]
    if run.kind == "condition":
        return [store.get(run_id) for transfer in inputs for run_id in transfer.inputs]
    return inputs


def _head(checkpoint: Checkpoint, task: str | None) -> tuple[str | None, Task]:
    """(name of the head, what it predicts)."""
    heads = heads_of(checkpoint.directory)
    if not heads:
        if task is not None and task != checkpoint.task:
            raise XferError(
                f"{checkpoint.directory} has no head for task {task!r}, nor any other.",
                "Leave task out to see which texts are nearest to each other.",
            )
        return None, Task(name="", kind="retrieval", metric="", languages=(), sources={}, trained=False)
    if len(heads) > 1 and task is None or task is not None and task not in (*heads, checkpoint.task):
        if not any(heads):
            raise XferError(
                f"{checkpoint.directory} has one head, which bears no task's name: none for {task!r}.",
                "Leave task out to predict with it.",
            )
        raise XferError(
            f"{checkpoint.directory} has heads for {', '.join(heads)}"
            + (f", none for {task!r}." if task else "."),
            f"Name one: task={next(iter(heads))}",
        )
    name = task if task in heads else next(iter(heads))
    return name or None, replace(heads[name], name=name or checkpoint.task)
