"""What ``search`` does, in order: check, prepare the base, try candidates, confirm the best on fresh seeds, say what was found."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import optuna

from mlflow_xfer.errors import XferError
from mlflow_xfer.phases import record
from mlflow_xfer.phases.execute import Executor, validate
from mlflow_xfer.phases.plan import unique
from mlflow_xfer.phases.references import References
from mlflow_xfer.phases.replicates import tags as transfer_tags
from mlflow_xfer.searching import command as commands
from mlflow_xfer.searching import confirm, plots
from mlflow_xfer.searching.command import Command
from mlflow_xfer.searching.described import described, tables
from mlflow_xfer.searching.loop import Budget, run_worker
from mlflow_xfer.searching.measures import ORACLE
from mlflow_xfer.searching.mirror import Mirror
from mlflow_xfer.searching.objective import Objective
from mlflow_xfer.searching.space import canonical
from mlflow_xfer.searching.storage import open_study
from mlflow_xfer.tasks.task import Task

if TYPE_CHECKING:
    from mlflow_xfer.tracking.store import Store

logger = logging.getLogger(__name__)

COMMAND, PARENT = "xfer.command", "xfer.run_id"  # attributes of the study


def run_search(params: Any, store: Store, opened: str | None, extra: Mapping[str, Task]) -> str:
    """Run or continue a search and return its run; ``opened`` is the run that ``mlflow run`` opened."""
    command = commands.read(params, References(lambda: store, fetch=True), extra)
    executor = Executor(store, params.reuse)
    prepare(command, executor)
    study = open_study(params.storage, command.study_name, command.identity, len(params.objective))
    earlier = study.user_attrs.get(PARENT)
    parent = open_parent(command, study, store, earlier, opened)
    try:
        with record.ending(store, parent):
            mirror = Mirror(store, study, parent, command.space, params.objective, params.seeds, shared_tags(command))
            mirror.catch_up()
            why = work(command, store, study, mirror)
            logger.info("search %s: %s", command.study_name, ENDS[why])
            conclude(command, executor, study, mirror)
    finally:
        if opened and opened != parent:
            record.request(store, opened, parent, command.study_name)
    return parent


ENDS = {"n_trials": "all trials are done", "timeout": "the time is up", "gpu_hours": "the hours of training are spent", "exhausted": "every candidate has been tried"}


def prepare(command: Command, executor: Executor) -> None:
    """Read and check all data and models, and make what all trials start from."""
    phases = unique(phase for plan in command.first.values() for phase in plan.phases)
    validate(phase for phase in phases if not executor.existing(phase))
    for phase in next(iter(command.first.values())).transfers[0].before:
        executor.ensure(phase)


def open_parent(command: Command, study: optuna.Study, store: Store, earlier: str | None, opened: str | None) -> str:
    """The run of the search: the one that the study names if the store still has it, else a new one."""
    try:
        known = earlier if earlier and not store.get(earlier).deleted else None
    except XferError:
        known = None
    params = command.params
    shown = {"pool": ",".join(command.space.pool), "target": ",".join(command.targets), "objective": ",".join(params.objective), "sampler": params.sampler, "pruner": params.pruner, "seeds": ",".join(map(str, params.seeds))}
    tags = {**shared_tags(command), "xfer.study_name": command.study_name, "xfer.tasks": ",".join(command.space.pool), **({"xfer.oracle": "true"} if ORACLE in params.objective else {})}
    run_id = store.start("search", command.study_name, tags=tags, params=shown, run_id=known or opened)
    study.set_user_attr(PARENT, run_id)
    study.set_user_attr(COMMAND, canonical({"shared": dict(command.shared), "objective": list(params.objective)}))
    store.dict_artifact(run_id, {**command.identity, "study_name": command.study_name}, "search.json")
    return run_id


def shared_tags(command: Command) -> dict[str, str]:
    """What the runs of all trials have in common."""
    plan = next(iter(command.first.values()))
    return {name: value for name, value in transfer_tags(plan, plan.transfers[0]).items() if name != "xfer.tasks"}


def work(command: Command, store: Store, study: optuna.Study, mirror: Mirror) -> str:
    """Run trials in this process until the search ends; says what ended it."""
    params = command.params
    objective = Objective(store, command.shared, params.objective, prune=params.pruner != "none")
    budget = Budget(params.n_trials, params.timeout, params.gpu_hours)
    return run_worker(study, command.space, objective, budget, sampler=params.sampler, pruner=params.pruner, seeds=params.seeds, observer=mirror)


def conclude(command: Command, executor: Executor, study: optuna.Study, mirror: Mirror) -> None:
    """Confirm the best, then write tables, plots and the description of the search."""
    found = confirm.confirm(command, executor, study, mirror)
    store, parent = executor.store, mirror.parent
    store.metrics(parent, confirm.metrics(found))
    for name, frame in tables(command, study, found).items():
        store.table(parent, frame, f"results/{name}.json")
    page = plots.page(study, command.params.objective)
    if page:
        store.text_artifact(parent, page, "plots/search.html")
    text = described(command, study, found, store, mirror)
    store.tags(parent, {"mlflow.note.content": text})
    logger.info("%s", text)
