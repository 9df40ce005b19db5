"""Transfers and conditions as runs: what they are called, how they are opened and how they end."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mlflow_xfer.conditions.totals import gathered, log_totals
from mlflow_xfer.errors import XferError
from mlflow_xfer.params.settings import TrainingSettings
from mlflow_xfer.phases import endings, record
from mlflow_xfer.phases.phase import digest
from mlflow_xfer.phases.plan import Plan, Transfer
from mlflow_xfer.phases.settings import resolved
from mlflow_xfer.tracking import commands
from mlflow_xfer.tracking.drivers import open_driven
from mlflow_xfer.tracking.reuse import missing

if TYPE_CHECKING:
    from mlflow_xfer.phases.execute import Executor
    from mlflow_xfer.phases.phase import Phase
    from mlflow_xfer.tracking.runs import RunView
    from mlflow_xfer.tracking.store import Store

logger = logging.getLogger(__name__)

CODE_TAG = "xfer.plan_code"
"""Of a transfer, condition or study: the code that its phases are made by."""


def open_condition(
    executor: Executor, plan: Plan, *, opened: str | None = None, parent: str | None = None, label: str = ""
) -> str:
    """Open the run of a condition; ``label`` where an arm of a study has a name of its own."""
    first = plan.transfers[0]
    own = tags(plan, first) | {"xfer.plan_hash": plan.plan_hash} | code_tag(executor, plan.phases)
    own |= commands.tag(plan.verb, plan.asked)
    title = (
        f"{label}: {len(plan.transfers)} seed{'s' * (len(plan.transfers) > 1)}"
        if label
        else name(first, len(plan.transfers))
    )
    shown = {k: v for k, v in params(first).items() if k != "seed"}
    store = executor.store
    return open_driven(store, "condition", title, tags=own, params=shown, parent=parent, opened=opened)


def open_transfer(
    executor: Executor,
    plan: Plan,
    transfer: Transfer,
    *,
    opened: str | None = None,
    parent: str | None = None,
) -> str:
    """Open the run of one replicate, whose phases become its children."""
    own = {
        **code_tag(executor, transfer.phases),
        "xfer.plan_hash": transfer.plan_hash,
        "xfer.seed": str(transfer.seed),
        "xfer.base_seed": str(transfer.base_seed),
    }
    return open_driven(
        executor.store,
        "transfer",
        name(transfer),
        tags=tags(plan, transfer) | own | commands.tag(plan.verb, plan.asked_of(transfer)),
        params=params(transfer),
        parent=parent,
        opened=opened,
    )


def close_transfer(
    store: Store, run_id: str, plan: Plan, transfer: Transfer, done: Mapping[str, str], reused: Sequence[str]
) -> None:
    """Log the totals of one replicate and end its run.

    Args:
        done: the runs of its phases, by spec hash.
        reused: those of them that were not made for it.
    """
    before = {"xfer.reused_from": ",".join(reused)} if reused else {}
    made = [done[phase.spec_hash] for phase in transfer.phases]
    store.tags(run_id, {"xfer.input_run_ids": ",".join(made), **before})
    store.settle()
    evaluated = [done[phase.spec_hash] for phase in transfer.evaluations.values()]
    rows = [row for run in evaluated for row in record.read_table(store, run)]
    log_totals(store, run_id, plan, rows, gathered(store, evaluated))
    store.finish(run_id, "FINISHED")


def run_phases(executor: Executor, plan: Plan, opened: str | None) -> str:
    """Run the several phases that a phase verb was asked for, under one run of kind transfer."""
    store = executor.store
    label = f"{plan.verb} {'+'.join(task.name for phase in plan.requested for task in phase.tasks)}"
    if earlier := taken(executor, plan, "transfer"):
        commands.note(store, earlier, plan.verb, plan.asked)
        return pointed(store, earlier, opened, label)
    own = {**record.phase_tags(plan.requested[0], plan.suite), "xfer.plan_hash": plan.plan_hash}
    own |= code_tag(executor, plan.phases) | commands.tag(plan.verb, plan.asked)
    run_id = open_driven(store, "transfer", label, tags=own, opened=opened)
    with endings.ending(store, run_id):
        done = [executor.ensure(phase, parent=run_id) for phase in plan.requested]
        store.tags(run_id, {"xfer.input_run_ids": ",".join(d.run_id for d in done)})
        store.settle()
        if plan.verb == "evaluate":
            log_totals(store, run_id, plan, [row for d in done for row in record.read_table(store, d.run_id)])
    return run_id


def taken(executor: Executor, plan: Plan, kind: str) -> str | None:
    """:func:`finished` of a plan all of whose phases exist; they are looked for only where there is a run."""
    runs = executor.store.search(_of_plan(kind, plan.plan_hash), status="FINISHED", limit=1)
    there = bool(runs) and not executor.missing(plan.phases)
    return finished(executor, plan.plan_hash, kind, plan.phases) if there else None


def finished(executor: Executor, plan_hash: str, kind: str, phases: Sequence[Phase]) -> str | None:
    """The oldest finished run of ``kind`` with this plan that may be taken instead of running ``phases``."""
    return None if executor.reuse == "never" else made_before(executor, plan_hash, kind, phases)


def made_before(executor: Executor, plan_hash: str, kind: str, phases: Sequence[Phase]) -> str | None:
    """The oldest finished run of ``kind`` with this plan whose phases are there, and were made by the code of
    today, unless runs of any code are taken."""
    store = executor.store
    runs = store.search(_of_plan(kind, plan_hash), status="FINISHED")
    own = code_tag(executor, phases).get(CODE_TAG)
    ids = {run_id for one in phases if (run_id := executor.there.get(one.spec_hash))}
    ids |= {executor.done[one.spec_hash].run_id for one in phases if one.spec_hash in executor.done}
    for run in runs:
        if own is not None and run.tags.get(CODE_TAG, own) != own:
            continue
        if not all(_is_whole(store, one, ids) for one in run.inputs):
            continue
        if own is None or run.tags.get(CODE_TAG) == own:
            return run.run_id
        if CODE_TAG not in run.tags and _codes(store, run) <= {executor.code(phase) for phase in phases}:
            return run.run_id
    return None


def _of_plan(kind: str, plan_hash: str) -> dict[str, str]:
    return {"xfer.kind": kind, "xfer.plan_hash": plan_hash}


def _is_whole(store: Store, run_id: str, known: Collection[str]) -> bool:
    """Whether a phase, or all that a transfer or condition was made from, is still there, as ``known`` phases
    are."""
    if run_id in known:
        return True
    try:
        run = store.get(run_id)
    except XferError:
        return False
    if run.deleted or run.status != "FINISHED":
        return False
    if run.kind == "phase":
        return not missing(store, run, weights=False)
    return all(_is_whole(store, one, known) for one in run.inputs)


def code_tag(executor: Executor, phases: Sequence[Phase]) -> dict[str, str]:
    """What says by which code the phases of a run are made; nothing where it takes runs of any code."""
    if executor.reuse == "any-code":
        return {}
    return {CODE_TAG: digest(sorted({executor.code(phase) for phase in phases}))}


def _codes(store: Store, run: RunView) -> set[str]:
    """The code that the phases behind a run were made by."""
    if run.tags.get("xfer.kind") == "phase":
        return {run.tags.get("xfer.code_hash", "")}
    return set().union(*(_codes(store, store.get(one)) for one in run.inputs))


def pointed(store: Store, earlier: str, opened: str | None, label: str) -> str:
    if opened:
        record.request(store, opened, earlier, label)
    return earlier


def name(transfer: Transfer, n: int = 1) -> str:
    """``mnli+squad → xnli s1``, or with ``5 seeds`` for a condition."""
    marks = [f"{n} seeds" if n > 1 else f"s{transfer.seed}"]
    shots = {
        phase.settings.target_shots
        for phase in transfer.phases
        if isinstance(phase.settings, TrainingSettings) and phase.settings.target_shots
    }
    marked = [f"{k} shots" for k in shots] + ["oracle"] * is_oracle(transfer)
    prompted = {one.evaluation.shots for one in transfer.evaluations.values()} - {None}
    marked += [f"prompted {k}-shot" for k in prompted]
    behind = next(iter(transfer.evaluations.values())).behind
    return " ".join([f"{behind} → {'+'.join(transfer.targets)}", *marked, *marks])


def is_oracle(transfer: Transfer) -> bool:
    """Whether a checkpoint of it was selected with target-language labels: then it is not zero-shot."""
    return any("xfer.oracle" in record.phase_tags(phase, "") for phase in transfer.evaluations.values())


def tags(plan: Plan, transfer: Transfer) -> dict[str, str]:
    keep = (
        "xfer.base_model",
        "xfer.base_identity",
        "xfer.combine",
        "xfer.control",
        "xfer.train_on",
        "xfer.target_shots",
        "xfer.shots",
        "xfer.oracle",
    )
    shared = {
        key: value
        for phase in transfer.evaluations.values()
        for key, value in record.phase_tags(phase, plan.suite).items()
        if key in keep
    }
    return shared | {
        "xfer.tasks": ",".join(transfer.intermediates) or "none",
        "xfer.target": ",".join(transfer.targets),
        "xfer.suite": plan.suite,
    }


def params(transfer: Transfer) -> dict[str, Any]:
    """Few and of low cardinality: they are the axes of MLflow's compare views."""
    trained = [(phase, phase.settings) for phase in transfer.phases]
    rates: dict[str, dict[str, None]] = {}
    for phase, settings in trained:
        if phase.kind in ("intermediate", "target") and isinstance(settings, TrainingSettings):
            rates.setdefault(f"{phase.kind}.learning_rate", {})[_rate(phase, settings)] = None
    shares = [settings.mlm_share for _, settings in trained if isinstance(settings, TrainingSettings)]
    return {
        "intermediate": ",".join(transfer.intermediates) or "none",
        "target": ",".join(transfer.targets),
        "seed": transfer.seed,
        "combine": transfer.combine or "joint",
        "mlm_share": max(shares, default=0.0),
        "control": next((one.control for _, one in trained if one.control != "none"), "none"),
        "intermediate.learning_rate": "auto",
        **{kind: ",".join(found) for kind, found in rates.items()},
    }


def _rate(phase: Phase, settings: TrainingSettings) -> str:
    """A learning rate as a parameter; ``auto`` where it is the recipe's. MLflow's compare page selects the
    first three parameters, by the alphabet, that differ in any way: what merely follows from the task is not
    to be one of them."""
    usual = resolved({"trainable": settings.trainable}, [task.recipe for task in phase.tasks])
    return "auto" if settings.learning_rate == usual["learning_rate"] else str(settings.learning_rate)
