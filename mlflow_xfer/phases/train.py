"""Runs a training phase on tensors: rows become parts,
settings become the trainer's, the result is a directory.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from mlflow_xfer.data import sources
from mlflow_xfer.data.rows import Rows
from mlflow_xfer.data.texts import few_words
from mlflow_xfer.data.unseen import read_unseen
from mlflow_xfer.kinds import kind
from mlflow_xfer.models import language
from mlflow_xfer.params.settings import RuntimeOptions
from mlflow_xfer.phases.corpus import corpus
from mlflow_xfer.phases.launch import launch
from mlflow_xfer.phases.phase import BaseModel, Phase, identity
from mlflow_xfer.phases.start import starting_point
from mlflow_xfer.phases.transport import to_json
from mlflow_xfer.tasks.task import POOL, Mixture, Task, mixture_of
from mlflow_xfer.training import progress, trainer
from mlflow_xfer.training.parts import LanguageModelPart, Part, TrainingResult

if TYPE_CHECKING:
    from datasets import Dataset

    from mlflow_xfer.training.ranks import Ranks

logger = logging.getLogger(__name__)

Log = Callable[[Mapping[str, float], int], None]


def train_phase(
    phase: Phase,
    start: Path | BaseModel,
    work: Path,
    log: Log,
    runtime: RuntimeOptions = RuntimeOptions(),  # noqa: B008 - frozen
    adapters: Sequence[Path] = (),
) -> TrainingResult:
    """Train ``phase`` from ``start`` (a checkpoint directory,
    or a base without weights) in the folder ``work``, with the ``adapters`` of languages under it.

    An interrupted call with the same folder goes on from its last complete checkpoint.
    """
    begin = starting_point(phase, start, work / "start", lambda: corpus(phase))
    for adapter in adapters:
        begin = language.put(begin, adapter, work / "language")
    if phase.excludes:
        log({"train/excluded_rows": excluded_rows(phase)}, 0)
    if runtime.processes > 1:
        return train_together(phase, begin, work, log, runtime)
    return train_from(phase, begin, work, log, runtime)


def train_together(
    phase: Phase, begin: Path, work: Path, log: Log, runtime: RuntimeOptions
) -> TrainingResult:
    """As :func:`train_from`, on processes of their own."""
    from mlflow_xfer.training.devices import leave_gpu

    leave_gpu()
    order = {
        "phase": to_json(phase),
        "start": str(begin),
        "work": str(work),
        "runtime": runtime.model_dump(),
        "beside": progress.said(),
    }
    if (done := trainer.read_outcome(work)) is None:
        launch(order, runtime, log)
        done = trainer.read_outcome(work)
    assert done is not None, "the ranks came to their end"
    return done


def train_from(
    phase: Phase,
    begin: Path,
    work: Path,
    log: Log,
    runtime: RuntimeOptions,
    ranks: Ranks | None = None,
) -> TrainingResult:
    """Train ``phase`` from the checkpoint directory ``begin``, as one of ``ranks`` or alone."""
    assert phase.seed is not None, "a training has a seed"
    return trainer.train(
        begin,
        parts(phase),
        mixture(phase),
        phase.training,
        work,
        seed=phase.seed,
        log=log,
        runtime=runtime,
        base="+".join(map(identity, phase.inputs)),
        ranks=ranks,
    )


def parts(phase: Phase) -> list[Part | LanguageModelPart]:
    """The data of the phase: one part for each task, and one for its raw text."""
    every: list[Part | LanguageModelPart] = [task_part(phase, task) for task in phase.tasks]
    labelled = {task.name for task in phase.tasks}
    texts = few_words(
        {rows.language: sources.read_text(rows) for rows in phase.rows if rows.task not in labelled},
        phase.training.text_words,
    )
    if texts:
        every.append(LanguageModelPart(texts))
    return every


def task_part(phase: Phase, task: Task) -> Part:
    """Training and selection data of one task;
    with ``target_shots`` the labelled rows of other languages join.
    """
    mine = [rows for rows in phase.rows if rows.task == task.name]
    source = next(rows for rows in mine if rows.split == "train")
    own = sources.subset(
        read_unseen(task, source, phase.excludes), phase.training.max_train_examples, phase.seed
    )
    dev = {
        rows.language: dev_rows(phase, task, rows)
        for rows in mine
        if rows.split == "validation" and rows.language == source.language
    }
    if not dev and phase.training.select_by == "english_dev":
        logger.warning(
            "%s: %s has no validation rows in %s, so the last step is kept",
            phase.title,
            task.name,
            source.language,
        )
    reads = kind.data(task.kind)
    pool = next((sources.read(task, rows) for rows in mine if rows.split == POOL), None)
    own = reads.training(own, pool, f"Task {task.name!r}, training data")
    dev = {language: reads.dev(split, pool) for language, split in dev.items()}
    from datasets import concatenate_datasets

    selection = {rows.language: dev_rows(phase, judged, rows) for judged, rows in phase.selection}
    part = Part(task, own, dev, selection, next((judged for judged, _ in phase.selection), None))
    if phase.kind == "intermediate":
        return replace(part, train=dealt([own, *_in_other_languages(phase, task, mine, source, pool)]))
    few = [
        reads.training(
            sources.subset(read_unseen(task, rows, phase.excludes), phase.training.target_shots, phase.seed),
            pool,
            f"Task {task.name!r}, {rows.language}",
        )
        for rows in phase.shot_rows
    ]
    if not few:
        return part
    return replace(part, train=concatenate_datasets([own, *few]))


def _in_other_languages(
    phase: Phase, task: Task, mine: Sequence[Rows], source: Rows, pool: Dataset | None
) -> list[Dataset]:
    """The training rows of a task in the further languages that it is trained in."""
    reads, limit = kind.data(task.kind), phase.training.max_train_examples
    return [
        reads.training(
            sources.subset(read_unseen(task, rows, phase.excludes), limit, phase.seed),
            pool,
            f"Task {task.name!r}, {rows.language}",
        )
        for rows in mine
        if rows.split == "train" and rows.language != source.language
    ]


def dealt(tables: Sequence[Dataset]) -> Dataset:
    """As many rows as one of the tables has: the first of the first one, the second of the second, and so
    on; of rows that translate each other one is taken."""
    if len(tables) == 1:
        return tables[0]
    from datasets import concatenate_datasets

    count = len(tables)
    return concatenate_datasets(
        [table.select(range(place, len(table), count)) for place, table in enumerate(tables)]
    )


def dev_rows(phase: Phase, task: Task, rows: Rows) -> Dataset:
    """Rows that checkpoints of ``phase`` are scored on: of all replicates the same."""
    return sources.subset(sources.read(task, rows), phase.training.max_dev_examples, 0)


def excluded_rows(phase: Phase) -> int:
    """How many training rows are left out because test rows of a target are (nearly) equal to them."""
    count = 0
    for task in phase.tasks:
        for rows in (rows for rows in phase.rows if rows.task == task.name and rows.split == "train"):
            count += len(sources.read(task, rows)) - len(read_unseen(task, rows, phase.excludes))
    logger.info("%s: %d training rows are left out, test rows are (nearly) equal to them", phase.title, count)
    return count


def mixture(phase: Phase) -> Mixture | None:
    """How the parts are mixed; None where there is one."""
    settings = phase.training
    if len(phase.tasks) < 2 and not settings.mlm_share:
        return None
    return mixture_of([task.name for task in phase.tasks], settings)
