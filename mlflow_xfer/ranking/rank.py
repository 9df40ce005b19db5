"""Orders candidate tasks by proxies."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from mlflow_xfer.errors import Problems, XferError
from mlflow_xfer.kinds import kind as kinds
from mlflow_xfer.params.chain import Transfer, as_transfer
from mlflow_xfer.params.declare import Shape
from mlflow_xfer.phases.compose import Composer, check_languages
from mlflow_xfer.phases.execute import Executor
from mlflow_xfer.phases.phase import BaseModel, FinishedRun, Phase
from mlflow_xfer.phases.plan import beginning
from mlflow_xfer.phases.validation import validate
from mlflow_xfer.ranking.inputs import Budget, TaskData
from mlflow_xfer.ranking.order import Ranking
from mlflow_xfer.ranking.pool import pool_of
from mlflow_xfer.ranking.proxies import AUTO, AUTO_BARE, PROXIES
from mlflow_xfer.registry import unknown
from mlflow_xfer.tasks.task import Task

logger = logging.getLogger(__name__)

FindBase = Callable[[str, str | None, str], BaseModel | FinishedRun]


def rank_tasks(
    params: Transfer,
    executor: Executor,
    find_base: FindBase,
    extra: Mapping[str, Task] | None = None,
    *,
    pool: str | Sequence[str] = "auto",
    methods: Sequence[str] = ("auto",),
    checkpoints: str = "auto",
    seed: int = 0,
    base_seed: int = 0,
    budget: Budget = Budget(),  # noqa: B008 - frozen
    online: bool = True,
) -> Ranking:
    """Proxies of every candidate for every target.

    Args:
        params: of the transfers whose outcome is to be foretold (:class:`mlflow_xfer.params.Transfer`):
            model, data, targets, training settings. ``intermediate`` and ``seeds`` are not read.
        find_base, extra, online: as of :class:`Composer`.
        pool: candidates; ``auto`` as :func:`pool_of` says.
        methods: names of :data:`PROXIES`; ``auto`` stands for :data:`AUTO`, and for :data:`AUTO_BARE` where a
            target has no labels.
        checkpoints: ``auto``: read finished single-task checkpoints if every candidate has one; ``none``:
            only the base; ``train``: train the missing ones first.
        seed: of the replicate whose checkpoints and rows are read.

    Raises:
        XferError: everything that is wrong with names, data and methods, at once, before anything is
            computed.
    """
    data, chosen, notes = _prepared(
        params, executor, find_base, extra, pool, methods, checkpoints, seed, base_seed, budget, online
    )
    scores: dict[str, Mapping[str, Mapping[str, float]]] = {}
    seconds = {}
    for name in chosen:
        began = time.monotonic()
        bare_only = name in AUTO_BARE and name not in methods
        targets = [
            target
            for target, phase in data.targets.items()
            if (phase is None or not bare_only) and (phase is not None or not PROXIES[name].rows)
        ]
        by_target = {target: PROXIES[name].score(data, target) for target in targets}
        if by_target:
            scores[name], seconds[name] = by_target, time.monotonic() - began
            logger.info("rank: %s took %.1f s", name, seconds[name])
    return Ranking(scores, seconds, bool(data.runs), tuple(notes))


def transfer_of(typed: Shape) -> Transfer:
    """The transfer whose outcome a verb foretells."""
    return as_transfer(typed).model_copy(update={"intermediate": (), "combine": "joint"})


def order(
    params: Transfer,
    executor: Executor,
    find_base: FindBase,
    extra: Mapping[str, Task] | None = None,
    **options: Any,
) -> tuple[str, ...]:
    """The candidates from the most promising down, over all targets:
    the queue of a search. Arguments as of :func:`rank_tasks`.
    """
    return rank_tasks(params, executor, find_base, extra, **options).order()


# -- what is compared ----------------------------------------------------------------------------------------
def _prepared(
    params: Transfer,
    executor: Executor,
    find_base: FindBase,
    extra: Mapping[str, Task] | None,
    pool: str | Sequence[str],
    methods: Sequence[str],
    checkpoints: str,
    seed: int,
    base_seed: int,
    budget: Budget,
    online: bool,
) -> tuple[TaskData, list[str], list[str]]:
    """The data, the methods in order, and notes. Raises what is wrong, all at once."""
    composer = Composer(params, find_base, dict(extra or {}), online)
    check_languages(params, composer.problems)
    chosen = methods_of(methods, composer.problems)
    singles, targets, tasks, start = composer.attempt(
        lambda: _composed(composer, pool, seed, base_seed), ({}, {}, {}, None)
    )
    if (
        targets
        and all(phase is None for phase in targets.values())
        and (lost := [m for m in chosen if PROXIES[m].rows])
        and "auto" not in methods
    ):
        composer.problems.add(
            f"{', '.join(lost)}: {', '.join(targets)} has no labelled training rows.",
            f"Methods that need none: {', '.join(name for name, m in PROXIES.items() if not m.rows)}",
        )
    composer.problems.raise_if_any()
    if "auto" in methods and None in targets.values():
        chosen += [name for name in AUTO_BARE if name not in chosen]
    if len(singles) < 2:
        raise XferError(
            f"The pool has one candidate ({', '.join(singles)}): there is nothing to order.",
            "Name at least two: pool=mnli,squad",
        )
    runs = (
        {name: run for name, phase in singles.items() if (run := executor.existing(phase))}
        if checkpoints != "none"
        else {}
    )
    missing = [name for name in singles if name not in runs]
    trained = [name for name in chosen if PROXIES[name].checkpoints]
    if trained and missing and checkpoints != "train":
        raise XferError(
            f"{', '.join(trained)}: no finished checkpoint of {', '.join(missing)} from this model with "
            "this data, seed and settings.",
            "Train them first: checkpoints=train, or choose methods that need none: "
            + ", ".join(name for name, m in PROXIES.items() if not m.checkpoints),
        )
    validate([*singles.values(), *filter(None, targets.values())], executor.store, executor.runtime)
    if checkpoints == "train":
        runs, missing = {name: executor.ensure(phase).run_id for name, phase in singles.items()}, []
    data = TaskData(executor, singles, targets, tasks, start, budget, {} if missing else runs)
    return data, chosen, _notes(chosen, targets, runs, missing)


def methods_of(asked: Sequence[str], problems: Problems) -> list[str]:
    """Names of methods, ``auto`` filled in; what is wrong with them is added to ``problems``."""
    names = list(dict.fromkeys(name for one in asked for name in (AUTO if one == "auto" else (one,))))
    for name in names:
        if name not in PROXIES:
            problems.add(unknown("method", name, [*PROXIES, "auto"]))
    if not names:
        problems.add("method=none leaves nothing to rank by.", f"Accepted: auto, {', '.join(PROXIES)}")
    return [name for name in names if name in PROXIES]


def check_untrained(methods: Sequence[str], problems: Problems) -> None:
    """Add what is wrong with methods that are to rank tasks before any of them is trained."""
    if trained := [
        name for name in (methods_of(methods, problems) if methods else ()) if PROXIES[name].checkpoints
    ]:
        problems.add(
            f"rank_by={','.join(trained)} needs a checkpoint of every task, which the search has yet to "
            "train.",
            "Accepted: none, auto, "
            f"{', '.join(name for name, method in PROXIES.items() if not method.checkpoints)}",
        )


def is_foretold(kind: str) -> bool:
    """Whether the labels of a kind stand for classes, which features can foretell."""
    return kinds.data(kind).foretold


def _composed(
    composer: Composer, pool: str | Sequence[str], seed: int, base_seed: int
) -> tuple[dict[str, Phase], dict[str, Phase | None], dict[str, Task], Any]:
    """(single-task phases, fine-tunes of the targets, tasks, what all start from), by name."""
    names = composer.target_names()
    candidates = pool_of(composer, pool if isinstance(pool, str) else tuple(pool), names)
    tasks = {name: task for name in names if (task := composer.task(name, "target"))}
    start, _ = beginning(composer, base_seed)
    tuned = {name: composer.tune(task, start, seed) for name, task in tasks.items()}
    targets = {
        name: phases[-1] if phases and is_foretold(tasks[name].kind) else None
        for name, phases in tuned.items()
    }
    singles = {}
    for name in candidates:
        if (task := composer.task(name, "intermediate")) and not is_foretold(task.kind):
            composer.problems.add(
                f"Task {name!r} ({task.kind}) has no labels to be ranked by.",
                f"Kinds that can be ranked: {', '.join(filter(is_foretold, kinds.KINDS.names()))}",
            )
        alone = replace(composer, params=composer.params.model_copy(update={"intermediate": (name,)}))
        if phases := alone.intermediates(start, seed):
            singles[name] = phases[-1]
    return singles, targets, tasks | {name: phase.tasks[0] for name, phase in singles.items()}, start


def _notes(
    chosen: Sequence[str],
    targets: Mapping[str, Phase | None],
    runs: Mapping[str, str],
    missing: Sequence[str],
) -> list[str]:
    notes = []
    if {"logme", "h_score"} & set(chosen):
        of = (
            f"{len(runs)} of {len(runs) + len(missing)} tasks have a finished checkpoint; "
            if runs and missing
            else ""
        )
        notes.append(
            "logme and h_score read "
            f"{'the base, through a linear probe of each task' if missing else 'the checkpoint of each task'}"
            f"{f' ({of}checkpoints=train trains the others)' if of else ''}."
        )
    if bare := [name for name, phase in targets.items() if phase is None]:
        skipped = [name for name in chosen if PROXIES[name].rows]
        notes.append(
            f"{', '.join(bare)}: no labelled training rows, so {', '.join(skipped)} say nothing about it."
            if skipped
            else ""
        )
    return [note for note in notes if note]
