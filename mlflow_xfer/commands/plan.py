"""The verb ``plan``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from mlflow_xfer.commands.phases import asks_for_demo, overrides
from mlflow_xfer.params import lookups, studies
from mlflow_xfer.params.chain import Reuse, Transfer, Workers
from mlflow_xfer.params.questions import Search
from mlflow_xfer.params.reading import command
from mlflow_xfer.params.settings import RuntimeOptions
from mlflow_xfer.phases import overlaps
from mlflow_xfer.phases.demands import demand
from mlflow_xfer.phases.estimate import foretold
from mlflow_xfer.phases.execute import Executor
from mlflow_xfer.phases.machines import named
from mlflow_xfer.phases.past import Past
from mlflow_xfer.phases.plan import Plan, make_plan, unique
from mlflow_xfer.phases.preview import Preview
from mlflow_xfer.phases.references import References, task_file_tasks
from mlflow_xfer.tracking.glance import open_to_plan
from mlflow_xfer.tracking.names import redact
from mlflow_xfer.tracking.store import Store

if TYPE_CHECKING:
    from mlflow_xfer.searching.showing.preview import SearchPreview
    from mlflow_xfer.studies.study import Study


def plan(params: lookups.Plan) -> Preview | SearchPreview:
    asked = params.of
    if isinstance(asked, Search):
        return planned_search(asked, params.gpu, params.price)
    assert isinstance(asked, Reuse), "as all commands that run phases"
    study = _study(asked)
    with open_to_plan() as store:
        made = (
            _of_study(*study, store)
            if study
            else make_plan(
                command(type(asked)),
                asked,
                References(lambda: store, weightless=True),
                task_file_tasks(asked),
            )
        )
        executor = Executor(store, asked.reuse)
        if isinstance(asked, Workers):
            executor.keep = asked.kept(many=bool(study))
        missing = {phase.spec_hash for phase in executor.missing(made.phases)}
        existing = {
            phase.spec_hash: run
            for phase in made.phases
            if phase.spec_hash not in missing and (run := executor.existing(phase, weights=False))
        }
        machine = named(params.gpu) if params.gpu else None
        past = Past.of(store, machine, asked.runtime if isinstance(asked, RuntimeOptions) else None)
        past.price = params.price
        new = [phase for phase in made.phases if phase.spec_hash not in existing]
        return Preview(
            made,
            existing,
            redact(store.uri),
            overlaps.of_plan(made.phases, params.overlap),
            foretold(new, past),
            {phase.spec_hash: demand(phase, past, machine) for phase in new} if machine else {},
        )


def planned_search(params: Search, gpu: str | None = None, price: float | None = None) -> SearchPreview:
    from mlflow_xfer.searching import command as commands
    from mlflow_xfer.searching.showing.preview import preview
    from mlflow_xfer.searching.storage.place import place

    with open_to_plan() as store:
        references, extra = References(lambda: store, weightless=True), task_file_tasks(params)
        past = Past.of(store, named(gpu) if gpu else None, params.runtime)
        past.price = price
        command = commands.read(params, references, extra)
        place(params.storage, command.study_name)  # refused here as where it runs
        return preview(command, store, redact(store.uri), references, extra, past)


def _study(asked: Reuse) -> tuple[Study, dict[str, str]] | None:
    """The study that a command runs, and what it says of all its arms; None: it runs none."""
    if isinstance(asked, studies.Study):
        from mlflow_xfer.commands.study import chosen

        return chosen(asked)
    if isinstance(asked, Transfer) and asks_for_demo(asked):
        from mlflow_xfer.studies.questions.demo import DEMO

        return DEMO, overrides(asked)
    return None


def _of_study(study: Study, more: dict[str, str], store: Store) -> Plan:
    from mlflow_xfer.studies.run import check_asked, plans_of

    check_asked(study, more)
    plans = list(plans_of(study, more, store, weightless=True).values())
    requested = unique(phase for one in plans for phase in one.requested)
    return Plan(
        "study",
        tuple(requested),
        tuple(t for one in plans for t in one.transfers),
        plans[0].suite,
        plans[0].missing,
    )


def printed(params: lookups.Plan, made: Preview | SearchPreview) -> str:
    return json.dumps(made.as_dict(), indent=2) if params.json else made.text()
