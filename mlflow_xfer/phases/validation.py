"""What every phase of a plan needs is looked at before the first runs: models, tokenizers, heads and rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlflow_xfer.data.places import counted_from_one
from mlflow_xfer.data.reading import check, check_across
from mlflow_xfer.data.stream import text_task
from mlflow_xfer.data.unseen import read_unseen
from mlflow_xfer.errors import Problems, XferError
from mlflow_xfer.kinds import kind
from mlflow_xfer.models import directions, files, limits, load, summaries, trainable
from mlflow_xfer.models.scratch import parse_scratch
from mlflow_xfer.params.settings import MergeSettings, RuntimeOptions, TrainingSettings
from mlflow_xfer.phases import gate, languages, whole
from mlflow_xfer.phases.launch import check_gpus
from mlflow_xfer.phases.phase import BaseModel, FinishedRun, Phase
from mlflow_xfer.tracking import checkpoints
from mlflow_xfer.training.checks import check_spread

if TYPE_CHECKING:
    from mlflow_xfer.data.rows import Rows
    from mlflow_xfer.tasks.task import Task
    from mlflow_xfer.tracking.store import Store


def validate(
    phases: Iterable[Phase],
    store: Store | None = None,
    runtime: RuntimeOptions = RuntimeOptions(),  # noqa: B008 - frozen
) -> None:
    """Check the models that the phases start from, and read and check all their rows, before anything is
    trained. A model that a run made is fetched: the first phase needs it.

    Args:
        store: where finished runs are that phases start from.
        runtime: how they are to be computed.

    Raises:
        XferError: every fault of every model and file at once.
    """
    problems, phases = Problems(), list(phases)
    for start in dict.fromkeys(phase.root() for phase in phases):
        _check_model(start, [phase for phase in phases if phase.root() == start], store, problems)
    for phase in phases:
        try:
            if store is not None:
                languages.check(phase, store)
        except XferError as error:
            problems.add(error)
    _check_rows(phases, problems)
    for settings in (phase.settings for phase in phases if isinstance(phase.settings, TrainingSettings)):
        for check_one in (trainable.check, partial(check_spread, runtime=runtime)):
            try:
                check_one(settings)
            except XferError as error:
                problems.add(error)
    try:
        check_gpus(runtime)
    except XferError as error:
        problems.add(error)
    problems.raise_if_any()


def _check_model(
    start: BaseModel | FinishedRun, phases: list[Phase], store: Store | None, problems: Problems
) -> None:
    """Check a model and all that ``phases`` want of it."""
    try:
        if isinstance(start, FinishedRun):
            assert store is not None, "a finished run is one of a store"
            folder = checkpoints.fetch(store, start.run_id)
            config, tokenizer = _read(folder, store, start.reference)
            _check_adapters(phases, start, folder)
        elif start.identity.startswith("scratch:"):
            config, tokenizer = None, load.load_tokenizer(start.path) if start.path else None
        else:
            config, tokenizer = _read(start.path) if start.path else (None, None)
            if start.path:
                _check_adapters(phases, start, Path(start.path))
    except XferError as error:
        problems.add(error)
        return
    if tokenizer is not None:
        for phase in phases:
            _check_reads(phase, config, tokenizer, problems)
    if any(not kind.data(task.kind).needs_head(task) for phase in phases for task in phase.tasks):
        _check_decoder(start, config, problems)


def _check_adapters(phases: list[Phase], start: BaseModel | FinishedRun, folder: Path) -> None:
    """Raise :class:`XferError` where a phase goes on with an adapter that the model in ``folder`` lacks."""
    for phase in phases:
        if isinstance(phase.settings, TrainingSettings) and phase.inputs[0] == start:
            trainable.check_start(phase.settings, folder)


def _read(folder: Path | str, store: Store | None = None, reference: str = "") -> tuple[Any, Any]:
    """(configuration, tokenizer) of a text encoder or decoder with its weights.

    Raises:
        XferError: one of them is not there or does not fit the others.
    """
    config, tokenizer = load.load_config(folder), load.load_tokenizer(folder)
    if store is not None and not files.stands_alone(Path(folder)):
        whole.check(store, Path(folder), reference)
    else:
        load.check_weights(folder)
        gate.check_weights(folder)
    limits.check_vocabulary(config, tokenizer)
    return config, tokenizer


def _check_decoder(start: BaseModel | FinishedRun, config: Any, problems: Problems) -> None:
    """Refuse encoders where a language model is to score choices."""
    if config is not None:
        decoder = limits.is_decoder(config)
    else:
        decoder = not start.reference.startswith("scratch:") or parse_scratch(start.reference)[0] == "llama"
    if not decoder:
        problems.add(
            f"choice_scoring=likelihood needs a decoder; model={start.reference} reads both ways.",
            "Use choice_scoring=head, or a model such as llama.",
        )


def _check_reads(phase: Phase, config: Any, tokenizer: Any, problems: Problems) -> None:
    """Refuse what the model that a phase stands on cannot read or has no head for."""
    from mlflow_xfer.models.checkpoint import saved_head

    checks: list[Callable[[], Any]] = []
    if not isinstance(phase.settings, MergeSettings):
        length = phase.settings.max_seq_length
        if any(len(kind.data(task.kind).texts) > 1 for task in phase.tasks):
            checks.append(lambda: limits.check_room(tokenizer, length))
        if config is not None:
            before = getattr(phase.settings, "prompted", 0)
            checks.append(lambda: limits.check_length(length + before, limits.longest(config.to_dict())))
    if config is not None and isinstance(phase.settings, TrainingSettings):
        both = phase.settings.attention == "bidirectional"
        if both and not limits.is_decoder(config):
            problems.add(directions.encoder(config.model_type))
        if phase.settings.control == "random" and config.model_type in limits.ENCODERS_OF:
            problems.add(
                f"control=random makes no random encoder of {config.model_type}.", "Leave control out."
            )
        pooling = [task.options["pooling"] for task in phase.tasks if "pooling" in task.options]
        checks += [partial(directions.check_pooling, one, config, both) for one in pooling]
        checks += [partial(_check_head, task, config) for task in phase.tasks]
        if {rows.task for rows in phase.rows} - {task.name for task in phase.tasks}:
            checks.append(lambda: limits.check_language_model(config, tokenizer))
    if config is not None and phase.kind == "evaluate" and isinstance(start := phase.inputs[0], BaseModel):
        checks += [
            partial(saved_head, Path(start.path), task)
            for task in phase.tasks
            if task.trained and kind.data(task.kind).needs_head(task)
        ]
    for check_one in checks:
        try:
            check_one()
        except XferError as error:
            problems.add(error)


def _check_head(task: Task, config: Any) -> None:
    """Refuse a task that the model has no head for, or one of transformers' that reads padding."""
    made = kind.model(task.kind).head_class(config)
    if kind.data(task.kind).needs_head(task) and task.options.get("pooling", "auto") == "auto":
        summaries.check(made, config)


def _check_rows(phases: Iterable[Phase], problems: Problems) -> None:
    """Read and check all rows of ``phases``, each split once."""
    seen: set[tuple[str, str, str, str]] = set()
    good: dict[str, tuple[Task, list[Rows]]] = {}
    for phase in phases:
        by_name = {task.name: task for task in phase.tasks}
        others = (*phase.excludes, *phase.selection)
        by_name |= {task.name: task for task, _ in others}
        for rows in [*phase.rows, *(rows for _, rows in others)]:
            what = (rows.task, rows.split, rows.language, rows.identity)
            if what not in seen:
                seen.add(what)
                task = by_name.get(rows.task) or text_task(rows)
                faults = check(task, rows) or counted_from_one(task, rows)
                for problem in faults:
                    problems.add(problem)
                if not faults:
                    good.setdefault(task.name, (task, []))[1].append(rows)
    for task, read in good.values() if not problems else ():
        for problem in check_across(task, read):
            problems.add(problem)
    for phase in phases if not problems else ():
        _check_left(phase, problems)
        _check_shots(phase, problems)


def _check_left(phase: Phase, problems: Problems) -> None:
    """Refuse trainings of which ``exclude_overlap`` leaves no row."""
    tasks = {task.name: task for task in phase.tasks} if phase.excludes else {}
    targets = ", ".join(dict.fromkeys(task.name for task, _ in phase.excludes))
    for rows in (rows for rows in phase.rows if rows.task in tasks and rows.split == "train"):
        if not len(read_unseen(tasks[rows.task], rows, phase.excludes)):
            problems.add(
                f"exclude_overlap=true leaves no row of {rows.task!r}: all are rows of {targets}.",
                "Choose another task; or leave exclude_overlap out: the pair is then shown as same task.",
            )


def _check_shots(phase: Phase, problems: Problems) -> None:
    """Refuse more labelled examples of a language than there are: a curve over them would end too far out."""
    for rows in phase.shot_rows:
        asked, task = phase.training.target_shots, phase.tasks[0]
        if (held := len(read_unseen(task, rows, phase.excludes))) < asked:
            problems.add(
                f"target_shots={asked}: {rows.task!r} has {held} {rows.split} rows in {rows.language}.",
                f"Ask for {held} at most, or leave the language out (languages=…).",
            )
