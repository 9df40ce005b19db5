"""Conditions: the same transfer on several seeds, as one row with an interval and, beside a baseline, paired
differences.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from mlflow_xfer.conditions.comparison import collapse, paired
from mlflow_xfer.conditions.crew import Crew
from mlflow_xfer.conditions.runner import Replicate, run_transfers
from mlflow_xfer.conditions.totals import gathered
from mlflow_xfer.conditions.transfers import name, open_condition, pointed, taken
from mlflow_xfer.phases import endings
from mlflow_xfer.phases.execute import Executor
from mlflow_xfer.phases.plan import Plan, Transfer
from mlflow_xfer.reporting import pages
from mlflow_xfer.tracking import commands, front

BASELINE = "baseline"
COLOURS = ("#666666", "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8C6D31")
"""Of conditions side by side in MLflow, the first being the baseline as a rule (Okabe & Ito)."""


@dataclass(eq=False)
class Condition:
    """One condition of several that are compared.

    Args:
        label: its name; empty: that of its tasks.
        against: the condition that it is compared with.
        take: whether a finished condition with the same plan is taken.
        run_id, transfers: its run and those of its transfers, once it has been run.
        colour: its runs' in MLflow.
    """

    plan: Plan
    label: str = ""
    against: Condition | None = None
    take: bool = False
    run_id: str = ""
    transfers: list[str] = field(default_factory=list)
    ended: bool = False
    colour: str = ""

    @property
    def title(self) -> str:
        """Its label, or what it is trained on."""
        return self.label or "+".join(self.plan.transfers[0].intermediates) or BASELINE


def run_conditions(
    executor: Executor, conditions: Sequence[Condition], crew: Crew, parent: str, *, shared: bool
) -> None:
    """Run the replicates of all conditions, then collapse each.

    Args:
        crew: what phases run on.
        parent: the run that asks for them.
        shared: whether what all replicates stand on belongs to that run.
    """
    store = executor.store
    opened = [one for one in conditions if not (one.take and _taken(executor, one))]
    for place, one in enumerate(conditions):
        one.colour = COLOURS[place % len(COLOURS)]
    try:
        for one in opened:
            one.run_id = open_condition(executor, one.plan, parent=parent, label=one.label)
        replicates = {
            one.run_id: [Replicate(one.plan, transfer, one.run_id) for transfer in one.plan.transfers]
            for one in opened
        }
        every = [replicate for mine in replicates.values() for replicate in mine]
        run_transfers(executor, every, crew, parent if shared else None)
        for one in opened:
            one.transfers = [replicate.run_id for replicate in replicates[one.run_id]]
            for run_id in (one.run_id, *one.transfers):
                store.tags(run_id, {"mlflow.runColor": one.colour})
        for one in opened:
            _collapse(executor, one)
    except BaseException as error:
        for one in opened:
            if one.run_id and not one.ended:
                endings.end_failed(store, one.run_id, error)
        raise


def _taken(executor: Executor, one: Condition) -> bool:
    """Take the finished condition with the same plan, if all of it exists."""
    earlier = taken(executor, one.plan, "condition")
    if earlier is None:
        return False
    one.run_id, one.transfers = earlier, list(executor.store.get(earlier).inputs)
    return True


def _collapse(executor: Executor, one: Condition) -> None:
    store = executor.store
    base = one.against.transfers if one.against else []
    collapse(store, one.run_id, one.transfers, base)
    store.tags(one.run_id, {"xfer.input_run_ids": ",".join(one.transfers)})
    pages.write_condition(
        store, one.run_id, one.title, one.transfers, one.against.title if one.against else "", base
    )
    store.finish(one.run_id, "FINISHED")
    one.ended = True


def run_plan(
    executor: Executor,
    plan: Plan,
    opened: str | None,
    baselines: Mapping[int, Transfer] | None = None,
    crew: Crew = Crew(),  # noqa: B008 (frozen)
) -> str:
    """Run the transfers of ``plan`` and return the run that stands for them: a transfer, or a condition over
    several.

    Args:
        opened: the run that ``mlflow run`` opened; becomes that run, or a request if all of it existed.
        baselines: the same transfers without intermediate task, by position; where all of them were run, a
            condition logs the paired difference to them.
        crew: what phases run on.
    """
    first, n = plan.transfers[0], len(plan.transfers)
    if n == 1:
        return run_transfers(executor, [Replicate(plan, first, opened=opened)], crew)[0]
    store = executor.store
    if earlier := taken(executor, plan, "condition"):
        commands.note(store, earlier, plan.verb, plan.asked)
        return pointed(store, earlier, opened, name(first, n))
    run_id = open_condition(executor, plan, opened=opened)
    with endings.ending(store, run_id):
        replicates = [Replicate(plan, transfer, run_id) for transfer in plan.transfers]
        runs = run_transfers(executor, replicates, crew)
        store.tags(run_id, {"xfer.input_run_ids": ",".join(runs), **gathered(store, runs)})
        store.settle()
        base = paired(executor, runs, baselines or {})
        collapse(store, run_id, runs, base)
        pages.write_condition(store, run_id, Condition(plan).title, runs, BASELINE, base, alone=True)
    front.update(store)
    return run_id
