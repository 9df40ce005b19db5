"""The verbs that run phases: one of them, or the chain."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

from mlflow_xfer.commands.conclusion import concluded
from mlflow_xfer.commands.result import Result
from mlflow_xfer.commands.running import opened
from mlflow_xfer.conditions.crew import Crew, crew_of
from mlflow_xfer.conditions.transfers import run_phases
from mlflow_xfer.params import chain
from mlflow_xfer.params.reading import command, given
from mlflow_xfer.phases import overlaps, passing
from mlflow_xfer.phases.demands import check_disk
from mlflow_xfer.phases.execute import Executor
from mlflow_xfer.phases.plan import Plan, Transfer, make_plan
from mlflow_xfer.phases.references import References, task_file_tasks
from mlflow_xfer.phases.validation import validate
from mlflow_xfer.tasks.task import Task
from mlflow_xfer.tracking import commands, job
from mlflow_xfer.tracking.store import Store

logger = logging.getLogger(__name__)

Chain = chain.Pretrain | chain.Intermediate | chain.Target | chain.Evaluate | chain.Transfer


def pretrain(params: chain.Pretrain) -> Result:
    return _run(params)


def intermediate(params: chain.Intermediate) -> Result:
    return _run(params)


def target(params: chain.Target) -> Result:
    return _run(params)


def evaluate(params: chain.Evaluate) -> Result:
    return _run(params)


def transfer(params: chain.Transfer) -> Result:
    return _run_demo(params) if asks_for_demo(params) else _run(params)


def asks_for_demo(params: chain.Transfer) -> bool:
    return params.intermediate == "auto" and params.target == "auto" and params.data == "mini"


def overrides(params: chain.Transfer) -> dict[str, str]:
    """What the user says of the demo's transfers."""
    return {
        name: value
        for name, value in given(params).items()
        if name not in ("intermediate", "target", *chain.PLACED, "output", "verbose")
    }


def _run_demo(params: chain.Transfer) -> Result:
    from mlflow_xfer.studies.questions.demo import DEMO
    from mlflow_xfer.studies.run import run_study

    with opened() as store:
        crew = crew_of(params, store.uri)
        return found(store, run_study(DEMO, overrides(params), store, job.take(store), crew))


def found(store: Store, run_id: str) -> Result:
    """The result that a run holds, of which more is not known."""
    store.settle()
    return Result(
        run_id, store.get(run_id).metrics, link=store.link(run_id), summary=concluded(store, run_id)
    )


def _run(params: Chain) -> Result:
    verb = command(type(params))
    with opened() as store:
        crew = crew_of(params, store.uri, alone=True) if isinstance(params, chain.Transfer) else Crew()
        references = References(lambda: store, fetch=True)
        extra = task_file_tasks(params)
        plan = make_plan(verb, params, references, extra, online=True)
        for lacks in plan.lacking():
            logger.warning("%s", lacks)
        executor = Executor(store, params.reuse, plan.suite, params.runtime)
        places = {phase.spec_hash: f"{n}/{len(plan.phases)}" for n, phase in enumerate(plan.phases, 1)}
        executor.place = lambda phase: places.get(phase.spec_hash, "")
        executor.keep = params.kept(many=False) if isinstance(params, chain.Transfer) else "all"
        new = executor.missing(plan.phases)
        validate(new, store, params.runtime)
        check_disk(new, store, params.runtime, executor.keep, crew.here)
        for overlap in overlaps.of_plan(new):
            logger.log(logging.WARNING if overlap.status == "found" else logging.INFO, "overlap: %s", overlap)
        run_id = _execute(
            executor, plan, job.take(store), crew, lambda: _baselines(plan, params, references, extra)
        )
        store.settle()
        passing.settle(executor, run_id)
        return _result(executor, run_id)


def _execute(
    executor: Executor,
    plan: Plan,
    opened_run: str | None,
    crew: Crew,
    baselines: Callable[[], Mapping[int, Transfer]],
) -> str:
    """Run the plan; the verb decides what the run opened by ``mlflow run`` is,
    never what happened to exist.
    """
    if plan.transfers:
        from mlflow_xfer.conditions.condition import run_plan  # with the statistics

        return run_plan(executor, plan, opened_run, baselines(), crew)
    if len(plan.requested) == 1:
        run_id = executor.ensure(plan.requested[0], attach=opened_run).run_id
        commands.note(executor.store, run_id, plan.verb, plan.asked)
        return run_id
    return run_phases(executor, plan, opened_run)


def _baselines(
    plan: Plan, params: Chain, references: References, extra: Mapping[str, Task]
) -> dict[int, Transfer]:
    """The same transfers without intermediate task, by position."""
    if len(plan.transfers) < 2 or not isinstance(params, chain.Transfer) or not params.intermediate:
        return {}
    bare = make_plan(
        "transfer", params.model_copy(update={"intermediate": ()}), references, extra, online=True
    )
    return dict(enumerate(bare.transfers))


def _result(executor: Executor, run_id: str) -> Result:
    done = executor.done.values()
    made = tuple(d.run_id for d in done if d.how != "reused")
    reused = tuple(d.run_id for d in done if d.how == "reused")
    store = executor.store
    return Result(
        run_id, store.get(run_id).metrics, made, reused, store.link(run_id), concluded(store, run_id)
    )
