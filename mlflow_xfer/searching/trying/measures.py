"""What a search maximises: each objective's name,
what it has to evaluate besides training, and its value for one replicate.

No objective reads a test split. ``english_dev`` is the mean over the targets of the selected checkpoint's dev
score in the language it was trained in. ``oracle`` is the mean over targets and other languages of the dev
score there: it uses labels that the setting says nobody has, so whatever rests on it is tagged
``xfer.oracle``. ``label_free`` is the mean over targets and other languages of the score that unlabelled rows
let one expect (``training/label_free.py``); checkpoints are then selected by it too. ``retrieval`` is the
mean accuracy of the untrained targets on their validation split. ``cost`` is minus the millions of tokens
that the chain trains on, reused or not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from mlflow_xfer.data import sources
from mlflow_xfer.errors import Problems
from mlflow_xfer.params.chain import Transfer as Parameters
from mlflow_xfer.params.questions import OBJECTIVES
from mlflow_xfer.phases.phase import Phase
from mlflow_xfer.phases.plan import Transfer
from mlflow_xfer.registry import unknown
from mlflow_xfer.tasks.task import POOL

ENGLISH_DEV, LABEL_FREE, ORACLE, RETRIEVAL, COST = "english_dev", "label_free", "oracle", "retrieval", "cost"
BY_TRAINING = (ENGLISH_DEV, LABEL_FREE)  # objectives that a target's training reports along the way
DEV = "validation"

Metrics = Callable[[Phase], Mapping[str, float]]  # what the run of a phase logged


def check(objectives: Sequence[str], transfer: Transfer, params: Parameters, problems: Problems) -> None:
    """Whether the targets have what the objectives need; all faults are collected."""
    if not objectives:
        problems.add("objective=none leaves nothing to search for.", f"Accepted: {', '.join(OBJECTIVES)}")
    for name in objectives:
        if name not in OBJECTIVES:
            problems.add(unknown("objective", name, OBJECTIVES))
    if len(set(objectives)) < len(objectives):
        problems.add(f"objective={','.join(objectives)} names an objective twice.")
    if set(objectives) == {COST}:
        problems.add(
            "objective=cost alone is best by training nothing.",
            "Name what is to be gained too: objective=english_dev,cost",
        )
    if LABEL_FREE in objectives and params.select_by != LABEL_FREE:
        problems.add(
            f"objective=label_free needs select_by=label_free, not {params.select_by}: the estimates are "
            "made where checkpoints are selected by them.",
            "Leave select_by out.",
        )
    for name in [name for name in objectives if name in (ENGLISH_DEV, LABEL_FREE, ORACLE)]:
        for target in (
            target
            for target, (*trainings, last) in transfer.targets.items()
            if not trainings and not (RETRIEVAL in objectives and dev_rows(last, params))
        ):
            hint = "Leave it out of target=… (its test score is not for choosing)"
            if dev_rows(transfer.targets[target][-1], params):
                hint += ", or add it as an objective of its own: objective=english_dev,retrieval"
            problems.add(
                f"Target {target!r} is not trained: it has no "
                f"{'English dev score' if name == ENGLISH_DEV else 'checkpoint of its own'} for "
                f"objective={name}.",
                f"{hint}.",
            )
    if ENGLISH_DEV in objectives:
        for target, phases in transfer.targets.items():
            if len(phases) > 1 and not any(rows.split == DEV for rows in phases[-2].rows):
                problems.add(
                    f"Target {target!r} has no validation split in {params.source_language!r}: "
                    "objective=english_dev has nothing to score.",
                    "Add a validation split (task file: files: validation:), or leave the target out.",
                )
    if ORACLE in objectives:
        for target, phases in transfer.targets.items():
            if len(phases) > 1 and not dev_rows(phases[-1], params, without=params.source_language):
                problems.add(
                    f"Target {target!r} has no validation split in any language but "
                    f"{params.source_language!r}: objective=oracle has nothing to score.",
                    "Use objective=english_dev.",
                )
    if RETRIEVAL in objectives:
        untrained = [last for *trainings, last in transfer.targets.values() if not trainings]
        if not any(dev_rows(phase, params) for phase in untrained):
            named = ", ".join(phase.tasks[0].name for phase in untrained)
            problems.add(
                "objective=retrieval needs a retrieval target with a validation split; "
                f"{f'{named} has a test split only' if named else 'there is no retrieval target'}.",
                "A test split chooses nothing. Use another objective, or give validation rows in a task "
                "file.",
            )


def dev_rows(evaluation: Phase, params: Parameters, without: str = "") -> tuple[sources.Rows, ...]:
    """The validation rows beside an evaluation's test rows, by language, but for one."""
    task = evaluation.tasks[0]
    languages = dict.fromkeys(rows.language for rows in evaluation.rows if rows.split != POOL)
    located = [
        sources.locate(task, DEV, language, params.data, seed=evaluation.replicate or 0)
        for language in languages
        if language != without
    ]
    return tuple(rows for rows in located if rows)


def extra_phases(objectives: Sequence[str], transfer: Transfer, params: Parameters) -> dict[str, list[Phase]]:
    """By objective, the evaluations on validation splits that it needs."""
    extra: dict[str, list[Phase]] = {}
    for phases in transfer.targets.values():
        trained = len(phases) > 1
        for name, wanted, without in (
            (ORACLE, trained, params.source_language),
            (RETRIEVAL, not trained, ""),
        ):
            if name in objectives and wanted and (rows := dev_rows(phases[-1], params, without)):
                dev = replace(phases[-1], rows=rows, note="dev", split=DEV, oracle=name == ORACLE, missing=())
                extra.setdefault(name, []).append(dev)
    return extra


def value(
    objective: str, transfer: Transfer, extra: Mapping[str, Sequence[Phase]], metrics: Metrics
) -> float:
    """The objective's value for one replicate, all of whose phases are done."""
    if objective in BY_TRAINING:
        return _mean(
            [
                training_score(objective, phases[-2], metrics(phases[-2]))
                for phases in transfer.targets.values()
                if len(phases) > 1
            ]
        )
    if objective == COST:
        trained = [phase for phase in transfer.phases if phase.kind in ("intermediate", "target")]
        return -sum(metrics(phase).get("train/tokens", 0.0) for phase in trained) / 1e6
    return _mean(
        [
            _mean([metrics(phase)[f"dev/{phase.tasks[0].name}/{rows.language}"] for rows in phase.rows])
            for phase in extra[objective]
        ]
    )


def training_score(
    objective: str, phase: Phase, metrics: Mapping[str, float], end: str = "/selected"
) -> float:
    """What a target's training says of the objective:
    of the selected checkpoint, or with ``end=""`` of the current one; NaN for nothing.
    """
    if objective == LABEL_FREE:
        return _mean(
            [
                value
                for name, value in metrics.items()
                if name.startswith(f"{LABEL_FREE}/")
                and name.count("/") == 2 + end.count("/")
                and name.endswith(end)
            ]
        )
    return dev_score(phase, metrics, end)


def dev_score(phase: Phase, metrics: Mapping[str, float], end: str = "/selected") -> float:
    """The dev score of a training's selected checkpoint; where several tasks were trained, their mean."""
    scores = [
        metrics[name]
        for task in phase.tasks
        for rows in phase.rows
        if rows.task == task.name
        and rows.split == DEV
        and (name := f"dev/{task.name}/{rows.language}{end}") in metrics
    ]
    return _mean(scores)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else float("nan")
