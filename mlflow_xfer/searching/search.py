"""What ``search`` does, in order: check, prepare the base,
try candidates, confirm the best on fresh seeds, say what was found.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import optuna

from mlflow_xfer.conditions.crew import Crew, crew_of
from mlflow_xfer.conditions.transfers import tags as transfer_tags
from mlflow_xfer.params.questions import Search
from mlflow_xfer.phases import endings, passing, record
from mlflow_xfer.phases.demands import check_disk
from mlflow_xfer.phases.execute import Executor
from mlflow_xfer.phases.plan import unique
from mlflow_xfer.phases.references import References
from mlflow_xfer.phases.validation import validate
from mlflow_xfer.reporting.columns import Summary
from mlflow_xfer.searching import command as commands
from mlflow_xfer.searching.command import Command
from mlflow_xfer.searching.deciding import confirm, confirmation
from mlflow_xfer.searching.deciding.confirmation import Confirmation
from mlflow_xfer.searching.proposing import single_tasks
from mlflow_xfer.searching.proposing.methods import BY_PROBE
from mlflow_xfer.searching.showing import plots
from mlflow_xfer.searching.showing.description import dashboard, described, short, summary
from mlflow_xfer.searching.showing.mirror import Mirror
from mlflow_xfer.searching.showing.mirror import opened as reopened
from mlflow_xfer.searching.showing.redrawing import Redrawing
from mlflow_xfer.searching.showing.tables import tables
from mlflow_xfer.searching.storage.place import place
from mlflow_xfer.searching.storage.studies import PARENT, open_study
from mlflow_xfer.searching.trying.loop import run_trials
from mlflow_xfer.searching.trying.measures import ORACLE
from mlflow_xfer.searching.trying.on_engine import OnEngine
from mlflow_xfer.searching.trying.running_trial import Objective
from mlflow_xfer.searching.trying.taking_over import only_driver, take_over
from mlflow_xfer.searching.trying.trials import Budget
from mlflow_xfer.tasks.task import Task
from mlflow_xfer.tracking import front
from mlflow_xfer.tracking.drivers import DRIVER, this_driver

if TYPE_CHECKING:
    from mlflow_xfer.tracking.store import Store

logger = logging.getLogger(__name__)

SO_FAR = Confirmation(why="It is still searching: what follows is selected, not confirmed.")


def run_search(
    params: Search, store: Store, opened: str | None, extra: Mapping[str, Task]
) -> tuple[str, Summary]:
    """Run or continue a search; its run, and what it found.

    Args:
        opened: the run that ``mlflow run`` opened.
    """
    command = commands.read(params, References(lambda: store, fetch=True), extra)
    where, crew = place(params.storage, command.study_name), crew_of(params, store.uri)
    executor = Executor(store, params.reuse, runtime=params.runtime)
    if not params.register and params.kept(many=True) != "all":
        executor.keep = "intermediate"  # trials stand on one another's intermediate phases
    prepare(command, executor)
    study = open_study(where, command.study_name, command.identity, store.uri, len(params.objective))
    with only_driver(study, where, store) as confirm:
        parent = open_parent(command, study, store, study.user_attrs.get(PARENT), opened)
        try:
            with endings.ending(store, parent):
                take_over(study, command.space)
                mirror = Mirror(
                    store, study, parent, command.space, params.objective, params.seeds, shared_tags(command)
                )
                mirror.catch_up()
                single_tasks.arrange(command, executor, study)
                store.settle()
                logger.info("To watch its trials: %s", dashboard(where))
                why = try_candidates(command, executor, study, crew, mirror, confirm)
                logger.info("search %s: ended (%s)", command.study_name, why)
                mirror.catch_up()
                found = conclude(command, executor, study, mirror)
                passing.settle(executor, parent)
        finally:
            if opened and opened != parent:
                record.request(store, opened, parent, command.study_name)
    return parent, summary(command, study, found, where)


def try_candidates(
    command: Command,
    executor: Executor,
    study: optuna.Study,
    crew: Crew,
    mirror: Mirror,
    confirm: Callable[[], None],
) -> str:
    """Run trials until the budget is spent; says what ended them."""
    params = command.params
    objective = Objective(
        executor.store,
        command.shared,
        params.objective,
        prune=params.pruner != "none",
        rungs=params.pruner in BY_PROBE,
    )
    with OnEngine(objective, executor, crew) as runs:
        return run_trials(
            study,
            command.space,
            runs,
            Budget(params.n_trials, params.timeout, params.gpu_hours),
            sampler=params.sampler,
            pruner=params.pruner,
            reduction_factor=params.reduction_factor,
            seeds=params.seeds,
            batches=params.batches,
            order=single_tasks.order_of(study),
            observer=Redrawing(mirror, lambda: draw(command, study, SO_FAR, mirror)),
            confirm=confirm,
        )


def prepare(command: Command, executor: Executor) -> None:
    """Read and check all data and models, and make what all trials start from."""
    phases = unique(phase for plan in command.first.values() for phase in plan.phases)
    new = executor.missing(phases)
    validate(new, executor.store, executor.runtime)
    check_disk(new, executor.store, executor.runtime, executor.keep)
    for phase in next(iter(command.first.values())).transfers[0].before:
        executor.ensure(phase)


def open_parent(
    command: Command, study: optuna.Study, store: Store, earlier: str | None, opened: str | None
) -> str:
    """The run of the search: the one that the study names if the store still has it, else a new one."""
    known = reopened(store, earlier)
    params = command.params
    shown = {
        "pool": ",".join(command.space.pool),
        "target": ",".join(command.targets),
        "objective": ",".join(params.objective),
        "sampler": params.sampler,
        "pruner": params.pruner,
        "seeds": ",".join(map(str, params.seeds)),
    }
    tags = {
        **shared_tags(command),
        "xfer.study_name": command.study_name,
        "xfer.tasks": ",".join(command.space.pool),
        **({"xfer.oracle": "true"} if ORACLE in params.objective else {}),
        DRIVER: this_driver(),
    }
    run_id = store.start("search", command.study_name, tags=tags, params=shown, run_id=known or opened)
    if earlier != run_id:
        study.set_user_attr(PARENT, run_id)
    store.dict_artifact(run_id, {**command.identity, "study_name": command.study_name}, "search.json")
    return run_id


def shared_tags(command: Command) -> dict[str, str]:
    """What the runs of all trials have in common."""
    plan = next(iter(command.first.values()))
    return {
        name: value for name, value in transfer_tags(plan, plan.transfers[0]).items() if name != "xfer.tasks"
    }


def draw(command: Command, study: optuna.Study, found: Confirmation, mirror: Mirror, more: str = "") -> None:
    """Draw the page of the search: its description and plots."""
    page = plots.page(study, command.params.objective)
    if page:
        mirror.store.text_artifact(mirror.parent, page, "plots/search.html")
    text = "\n\n".join(filter(None, [described(command, study, found, mirror.store, mirror), more]))
    mirror.store.tags(mirror.parent, {front.NOTE: text})


def conclude(command: Command, executor: Executor, study: optuna.Study, mirror: Mirror) -> Confirmation:
    """Confirm the best, then write tables, plots and the description of the search."""
    found = confirm.confirm(command, executor, study, mirror)
    store, parent = executor.store, mirror.parent
    store.metrics(parent, confirmation.metrics(found))
    for name, frame in tables(command, study, found).items():
        store.table(parent, frame, f"results/{name}.json")
    judged = single_tasks.judge(command, executor, study)
    if judged is not None:
        store.table(parent, judged, "results/proxies.json")
    draw(command, study, found, mirror, single_tasks.described(judged))
    store.tags(parent, {front.VERDICT_TAG: short(found)})
    store.settle()
    front.update(store)
    return found
