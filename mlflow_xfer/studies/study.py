"""Runs a study: its arms become conditions, whose phases several processes run; one run stands for
all.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mlflow_xfer.conditions.condition import Condition, run_conditions
from mlflow_xfer.conditions.transfers import finished, pointed
from mlflow_xfer.params.chain import Transfer
from mlflow_xfer.params.reading import read
from mlflow_xfer.phases import record
from mlflow_xfer.phases.demands import check_disk
from mlflow_xfer.phases.execute import Executor
from mlflow_xfer.phases.phase import digest
from mlflow_xfer.phases.plan import Plan, make_plan, unique
from mlflow_xfer.phases.references import References
from mlflow_xfer.phases.validation import validate
from mlflow_xfer.reporting.pages import write_study
from mlflow_xfer.tracking import front
from mlflow_xfer.tracking.belonging import AGAINST_TAG, CONDITION_TAG
from mlflow_xfer.tracking.drivers import open_driven
from mlflow_xfer.tracking.store import Store

logger = logging.getLogger(__name__)

CONDITIONS = "results/conditions.json"  # artifact of a study


@dataclass(frozen=True)
class Arm:
    """One condition: what differs from the study's shared parameters, and the arm it is compared with."""

    name: str
    params: Mapping[str, Any]
    against: str = ""


@dataclass(frozen=True)
class Study:
    name: str
    question: str
    shared: Mapping[str, Any]
    arms: tuple[Arm, ...]


def run_study(
    study: Study, overrides: Mapping[str, Any], store: Store, opened: str | None, workers: int
) -> str:
    """Run ``study`` and return the run that stands for it:
    the opened one, a new one, or an earlier one if all existed.

    Args:
        overrides: parameters that the user gave; they win over the study's.
        workers: processes.
    """
    typed = typed_arms(study, overrides)
    plans = plans_of(study, overrides, store, online=True)
    first = read(Transfer, next(iter(typed.values())))
    executor = Executor(store, first.reuse, next(iter(plans.values())).suite, first.runtime)
    executor.keep = first.kept(many=True)
    plan_hash = digest([plans[arm.name].plan_hash for arm in study.arms])
    phases = unique(phase for plan in plans.values() for phase in plan.phases)
    todo = executor.missing(phases)
    earlier = finished(executor, plan_hash, "study")
    if earlier and not todo:
        logger.info("%s: reused run %s (all its phases exist)", study.name, earlier)
        return pointed(store, earlier, opened, study.name)
    validate(todo, store)
    check_disk(todo, store, workers)
    logger.info(
        "%s: %d phases to run, %d exist; %d processes",
        study.name,
        len(todo),
        len(phases) - len(todo),
        workers,
    )
    tags = {"xfer.study": study.name, "xfer.plan_hash": plan_hash, "xfer.suite": executor.suite}
    run_id = open_driven(store, "study", study.name, tags=tags, opened=opened)
    with record.ending(store, run_id):
        conditions = _run_arms(study, plans, executor, run_id, workers)
        store.tags(run_id, {"xfer.input_run_ids": ",".join(conditions.values())})
        store.flush()
        _conclude(study, store, run_id, conditions)
    return run_id


def typed_arms(study: Study, overrides: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The parameters of each arm as a user would type them."""
    return {arm.name: {**study.shared, **arm.params, **overrides} for arm in study.arms}


def plans_of(
    study: Study, overrides: Mapping[str, Any], store: Store, *, online: bool = False
) -> dict[str, Plan]:
    """The plan of each arm."""
    references = References(lambda: store, fetch=online)
    return {
        name: make_plan("transfer", read(Transfer, typed), references, online=online)
        for name, typed in typed_arms(study, overrides).items()
    }


def _run_arms(
    study: Study, plans: Mapping[str, Plan], executor: Executor, run_id: str, workers: int
) -> dict[str, str]:
    """All replicates of all arms, then one condition for each arm; the condition's run by arm."""
    arms = {arm.name: Condition(plans[arm.name], arm.name) for arm in study.arms}
    for arm in study.arms:
        arms[arm.name].against = arms[arm.against] if arm.against else None
    run_conditions(executor, list(arms.values()), workers, run_id, shared=True)
    for arm in study.arms:
        executor.store.tags(arms[arm.name].run_id, {CONDITION_TAG: arm.name, AGAINST_TAG: arm.against})
    return {name: one.run_id for name, one in arms.items()}


def _conclude(study: Study, store: Store, run_id: str, conditions: Mapping[str, str]) -> None:
    """The page of the study, its table of conditions, and the experiment's description."""
    transfers = {name: store.get(condition).inputs for name, condition in conditions.items()}
    found = {name: store.get(condition).metrics for name, condition in conditions.items()}
    against = {arm.name: arm.against for arm in study.arms if arm.against}
    write_study(store, run_id, study.question, transfers, against)
    store.table(run_id, _rows(study, found), CONDITIONS)
    store.metrics(run_id, {f"{name}/avg": metrics["selected/avg"] for name, metrics in found.items()})
    store.flush()
    front.update(store)


def _rows(study: Study, found: Mapping[str, Mapping[str, float]]) -> list[dict[str, Any]]:
    """Of each arm its scores, and their differences to the arm compared with, the mean's with interval."""
    targets = sorted(
        {
            key
            for metrics in found.values()
            for key in metrics
            if key.startswith("selected/") and key.count("/") == 1
        }
        - {"selected/avg", "selected/delta"}
        - {f"selected/{end}" for end in ("avg_low", "avg_high", "delta_low", "delta_high")}
    )
    keys = (
        "selected/avg",
        *targets,
        "selected/delta",
        "selected/delta_low",
        "selected/delta_high",
        *(f"delta/{target.removeprefix('selected/')}" for target in targets),
        "n",
    )
    return [
        {
            "condition": arm.name,
            "compared with": arm.against,
            **{key: found[arm.name].get(key) for key in keys},
        }
        for arm in study.arms
    ]
