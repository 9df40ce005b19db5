"""Proxies in a search: they order its queue when it begins,
and are judged by its full runs when it ends.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import optuna
from optuna.trial import TrialState

from mlflow_xfer import markdown
from mlflow_xfer.errors import TRY_AGAIN, XferError
from mlflow_xfer.phases.execute import Executor
from mlflow_xfer.phases.references import References, task_file_tasks
from mlflow_xfer.ranking.inputs import Budget
from mlflow_xfer.ranking.order import ALL, Ranking
from mlflow_xfer.ranking.quality import by_english_accuracy, quality
from mlflow_xfer.ranking.rank import rank_tasks, transfer_of
from mlflow_xfer.searching.command import Command
from mlflow_xfer.searching.storage.history import History, candidate_of
from mlflow_xfer.stats.ranking import MEASURES, RANDOM, table

if TYPE_CHECKING:
    import pandas as pd

logger = logging.getLogger(__name__)

# of the study: written by the command that begins it, so that all workers and later commands go by one order
RANKING = "xfer.ranking"
EXAMPLES = 300  # rows of a task that are embedded: the order of a queue need not be exact


def arrange(command: Command, executor: Executor, study: optuna.Study) -> None:
    """Rank the single tasks, once in a search. What cannot be ranked is tried in the pool's order."""
    if RANKING in study.user_attrs or not command.params.rank_by or len(command.space.pool) < 2:
        return
    try:
        ranking = rank_tasks(
            *_given(command, executor),
            methods=command.params.rank_by,
            checkpoints="none",
            budget=Budget(EXAMPLES),
            **_options(command),
        )
    except XferError as error:
        if error.exit_code == TRY_AGAIN:
            raise
        logger.warning("single tasks are tried in the pool's order, not by proxies: %s", error)
        return
    study.set_user_attr(RANKING, ranking.as_dict())
    logger.info("single tasks by proxies: %s", ", ".join(ranking.order()))


def order_of(study: optuna.Study) -> tuple[str, ...]:
    """The single tasks, most promising first; empty where nothing was ranked."""
    return tuple(study.user_attrs.get(RANKING, {}).get("order", ()))


def judge(command: Command, executor: Executor, study: optuna.Study) -> pd.DataFrame | None:
    """How good the proxies were against the single tasks' full runs:
    one row for each; None where there is nothing to judge.
    """
    kept = study.user_attrs.get(RANKING)
    if kept is None:
        return None
    try:
        given = _given(command, executor)
        judged = quality(
            Ranking(kept["scores"]),
            observed(command, executor, study),
            by_english_accuracy(*given, **_options(command)),
        )
    except XferError as error:
        if error.exit_code == TRY_AGAIN:
            raise
        logger.info("proxies are not judged: %s", error)
        return None
    return table(judged)


def observed(command: Command, executor: Executor, study: optuna.Study) -> dict[str, dict[str, float]]:
    """What the single tasks reached: by target where the search went by English dev (first seed),
    else the objective.
    """
    alone = {
        candidate.tasks[0]: plan.transfers[0]
        for candidate, plan in command.first.items()
        if len(candidate.tasks) == 1
    }
    gains: dict[str, dict[str, float]] = {}
    for name, transfer in alone.items() if command.params.objective[0] == "english_dev" else ():
        for target, phases in transfer.targets.items():
            run = next(
                (executor.existing(phase, weights=False) for phase in phases if phase.kind == "target"), None
            )
            metrics = executor.store.get(run).metrics if run else {}
            scores = [
                value
                for metric, value in metrics.items()
                if metric.startswith("dev/") and metric.endswith("/selected")
            ]
            if scores:
                gains.setdefault(target, {})[name] = sum(scores) / len(scores)
    if gains:
        return gains
    values = {}
    for trial in History.of(study).counted:
        candidate = candidate_of(trial, command.space)
        if trial.state == TrialState.COMPLETE and candidate is not None and len(candidate.tasks) == 1:
            values.setdefault(candidate.tasks[0], trial.values[0])
    return {ALL: values}


def described(judged: pd.DataFrame | None) -> str:
    """The judgement in markdown; empty where there is none."""
    if judged is None:
        return ""
    about = (
        "How well proxies, computed before any training, foretold the single tasks' full runs "
        "(regret: points lost by taking the best of the first k)."
    )
    rows = [
        [
            f"*{RANDOM}*" if row["method"] == RANDOM else row["method"],
            *("" if row[name] != row[name] else f"{row[name]:.2f}" for name in MEASURES),
        ]
        for row in judged.to_dict("records")
    ]
    return f"{about}\n\n{markdown.table(('score', *MEASURES), rows)}"


def _given(command: Command, executor: Executor) -> tuple[Any, Executor, References, Mapping[str, Any]]:
    params = transfer_of(command.params)
    return params, executor, References(lambda: executor.store, fetch=True), task_file_tasks(params)


def _options(command: Command) -> dict[str, Any]:
    return {"pool": command.space.pool, "seed": command.params.seeds[0], "base_seed": 0}
