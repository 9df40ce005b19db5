"""The verb ``plan``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from mlflow_xfer.commands.phases import asks_for_demo, overrides
from mlflow_xfer.params import lookups
from mlflow_xfer.params.chain import Reuse, Transfer
from mlflow_xfer.params.questions import Search
from mlflow_xfer.params.reading import command
from mlflow_xfer.params.settings import RuntimeOptions
from mlflow_xfer.phases import overlaps
from mlflow_xfer.phases.demands import demand
from mlflow_xfer.phases.estimate import Past, said, total
from mlflow_xfer.phases.execute import Executor
from mlflow_xfer.phases.machines import named
from mlflow_xfer.phases.plan import Plan, make_plan, unique
from mlflow_xfer.phases.preview import Preview
from mlflow_xfer.phases.references import References, task_file_tasks
from mlflow_xfer.tracking.glance import open_to_plan
from mlflow_xfer.tracking.names import redact
from mlflow_xfer.tracking.store import Store

if TYPE_CHECKING:
    from mlflow_xfer.searching.showing.preview import SearchPreview


def plan(params: lookups.Plan) -> Preview | SearchPreview:
    asked = params.of
    if isinstance(asked, Search):
        return planned_search(asked, params.gpu, params.price)
    assert isinstance(asked, Reuse), "as all commands that run phases"
    with open_to_plan() as store:
        made = (
            _demo(asked, store)
            if isinstance(asked, Transfer) and asks_for_demo(asked)
            else make_plan(
                command(type(asked)),
                asked,
                References(lambda: store, weightless=True),
                task_file_tasks(asked),
            )
        )
        executor = Executor(store, asked.reuse)
        if isinstance(asked, Transfer):
            executor.keep = asked.kept(many=asks_for_demo(asked))
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
            said(total(new, past), past),
            {phase.spec_hash: demand(phase, past, machine) for phase in new} if machine else {},
        )


def planned_search(params: Search, gpu: str | None = None, price: float | None = None) -> SearchPreview:
    from mlflow_xfer.searching import command as commands
    from mlflow_xfer.searching.showing.preview import preview

    with open_to_plan() as store:
        references, extra = References(lambda: store, weightless=True), task_file_tasks(params)
        past = Past.of(store, named(gpu) if gpu else None, params.runtime)
        past.price = price
        return preview(
            commands.read(params, references, extra), store, redact(store.uri), references, extra, past
        )


def _demo(params: Transfer, store: Store) -> Plan:
    from mlflow_xfer.studies.demo import DEMO
    from mlflow_xfer.studies.study import plans_of

    plans = list(plans_of(DEMO, overrides(params), store).values())
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
