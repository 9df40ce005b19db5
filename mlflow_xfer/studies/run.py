"""Runs a study: its arms become conditions, whose phases several processes run; one run stands for
all.
"""

from __future__ import annotations

import logging
import shlex
import statistics
from collections.abc import Mapping, Sequence, Set
from typing import TYPE_CHECKING, Any

from mlflow_xfer.conditions.condition import Condition, run_conditions
from mlflow_xfer.conditions.crew import Crew
from mlflow_xfer.conditions.totals import SELECTED, by_task
from mlflow_xfer.conditions.transfers import code_tag, finished, pointed
from mlflow_xfer.errors import XferError
from mlflow_xfer.params.chain import Transfer
from mlflow_xfer.params.reading import read
from mlflow_xfer.phases import endings, passing
from mlflow_xfer.phases.demands import check_disk
from mlflow_xfer.phases.execute import Executor
from mlflow_xfer.phases.phase import digest
from mlflow_xfer.phases.plan import Plan, make_plan, unique
from mlflow_xfer.phases.plan_checks import check_bases
from mlflow_xfer.phases.references import References, task_file_tasks
from mlflow_xfer.phases.validation import validate
from mlflow_xfer.reporting.pages import publish, write_study
from mlflow_xfer.stats.multiplicity import spending
from mlflow_xfer.studies import page
from mlflow_xfer.studies.checking import check
from mlflow_xfer.studies.contrasts import compute
from mlflow_xfer.studies.foresight import foresee
from mlflow_xfer.studies.registration import Registration, enter, terms
from mlflow_xfer.studies.sentences import short
from mlflow_xfer.studies.spoken import spoken_by
from mlflow_xfer.studies.study import Contrast, Study
from mlflow_xfer.studies.training_data import described
from mlflow_xfer.tracking import front
from mlflow_xfer.tracking.belonging import AGAINST_TAG, CONDITION_TAG
from mlflow_xfer.tracking.drivers import open_driven
from mlflow_xfer.tracking.results import scores_of
from mlflow_xfer.tracking.store import Store

if TYPE_CHECKING:
    import pandas as pd

logger = logging.getLogger(__name__)

CONDITIONS = "results/conditions.json"  # artifact of a study


def run_study(
    study: Study, overrides: Mapping[str, Any], store: Store, opened: str | None, crew: Crew
) -> str:
    """Run ``study`` and return the run that stands for it:
    the opened one, a new one, or an earlier one if all existed.

    Args:
        overrides: parameters that the user gave; they win over the study's.
        crew: what phases run on.
    """
    check_asked(study, overrides)
    typed = study.typed(overrides)
    plans = plans_of(study, overrides, store, online=True)
    spoken = spoken_by(study, plans)
    first = read(Transfer, next(iter(typed.values())))
    executor = Executor(store, first.reuse, next(iter(plans.values())).suite, first.runtime)
    executor.keep = first.kept(many=True)
    plan_hash = hash_of(study, overrides, plans)
    phases = unique(phase for plan in plans.values() for phase in plan.phases)
    todo = executor.missing(phases)
    earlier = None if todo else finished(executor, plan_hash, "study", phases)
    if earlier:
        logger.info("%s: reused run %s (all its phases exist)", study.name, earlier)
        passing.settle(executor, earlier)
        return pointed(store, earlier, opened, study.name)
    seeds = first.seeds
    level = 1 - float(spending(study.looks)[0]) if study.contrasts else 0.95
    for sentence in foresee(study, len(seeds), spoken, level, len(first.base_seeds)):
        logger.info("%s: %s", study.name, sentence)
    validate(todo, store, first.runtime)
    check_disk(todo, store, first.runtime, executor.keep, crew.here)
    logger.info(
        "%s: %d phases to run, %d exist; %s",
        study.name,
        len(todo),
        len(phases) - len(todo),
        crew,
    )
    tags = {"xfer.study": study.name, "xfer.plan_hash": plan_hash, "xfer.suite": executor.suite}
    tags |= code_tag(executor, phases)
    run_id = open_driven(store, "study", study.name, tags=tags, opened=opened)
    with endings.ending(store, run_id):
        registered = None
        if study.contrasts:
            known = _known(study, plans, {phase.spec_hash for phase in todo})
            registered = enter(store, run_id, study, overrides, seeds, known)
            logger.info("%s: %s", study.name, registered.said(study))
        conditions = _run_arms(study, plans, executor, run_id, crew)
        store.tags(run_id, {"xfer.input_run_ids": ",".join(conditions.values())})
        store.settle()
        passing.settle(executor, run_id)
        _conclude(study, plans, store, run_id, conditions, registered, command_of(study, overrides))
    return run_id


def hash_of(study: Study, overrides: Mapping[str, Any], plans: Mapping[str, Plan]) -> str:
    """What tells a study's run from others: its phases, and everything that its report says."""
    return digest(
        [*(plans[arm.name].plan_hash for arm in study.arms), terms(study, overrides), study.reported()]
    )


def check_asked(study: Study, overrides: Mapping[str, Any]) -> None:
    """Refuse a study that contradicts itself with what is given besides, or lacks what its scale needs.

    Raises:
        XferError: what is wrong, or missing.
    """
    check(study, study.targets(overrides))
    given = {**study.shared, **overrides}
    if study.scale != "mini" and "data" not in given:
        raise XferError(
            f"Study {study.name} at scale {study.scale} needs {study.needs}.", "Give model and data."
        )


def command_of(study: Study, overrides: Mapping[str, Any]) -> str:
    """What runs the study again."""
    options = {"study": study.source or study.name, "scale": study.scale, "effort": study.effort, **overrides}
    return "mlflow-xfer study " + " ".join(f"--{name} {shlex.quote(str(v))}" for name, v in options.items())


def _known(study: Study, plans: Mapping[str, Plan], missing: Set[str]) -> list[str]:
    """The primary contrasts all of whose arms are evaluated already with a common seed."""

    def evaluated(name: str, one: Contrast) -> set[tuple[int, int]]:
        return {
            (transfer.base_seed, transfer.seed)
            for transfer in plans[name].transfers
            if all(
                phase.spec_hash not in missing
                for target, phase in transfer.evaluations.items()
                if not one.targets or target in (*one.targets, *one.less)
            )
        }

    return [
        one.name for one in study.primary if set.intersection(*(evaluated(name, one) for name in one.weights))
    ]


def plans_of(
    study: Study,
    overrides: Mapping[str, Any],
    store: Store,
    *,
    online: bool = False,
    weightless: bool = False,
) -> dict[str, Plan]:
    """The plan of each arm.

    Raises:
        XferError: what is wrong with one, or base seeds that make nothing in any.
    """
    references = References(lambda: store, fetch=online, weightless=weightless)
    asked = {name: read(Transfer, typed) for name, typed in study.typed(overrides).items()}
    files = {one.task_file: task_file_tasks(one) for one in asked.values()}
    plans = {
        name: make_plan("transfer", one, references, files[one.task_file], online=online, alone=False)
        for name, one in asked.items()
    }
    check_bases(plans.values())
    return plans


def _run_arms(
    study: Study, plans: Mapping[str, Plan], executor: Executor, run_id: str, crew: Crew
) -> dict[str, str]:
    """All replicates of all arms, then one condition for each arm; the condition's run by arm."""
    arms = {arm.name: Condition(plans[arm.name], arm.name) for arm in study.arms}
    for arm in study.arms:
        arms[arm.name].against = arms[arm.against] if arm.against else None
    run_conditions(executor, list(arms.values()), crew, run_id, shared=True)
    for arm in study.arms:
        executor.store.tags(arms[arm.name].run_id, {CONDITION_TAG: arm.name, AGAINST_TAG: arm.against})
    return {name: one.run_id for name, one in arms.items()}


def _conclude(
    study: Study,
    plans: Mapping[str, Plan],
    store: Store,
    run_id: str,
    conditions: Mapping[str, str],
    registered: Registration | None,
    command: str,
) -> None:
    """The page of the study, its table of conditions, and the experiment's description."""
    transfers = {name: store.get(condition).inputs for name, condition in conditions.items()}
    found = {name: store.get(condition).metrics for name, condition in conditions.items()}
    if registered:
        data = described(plans) if "domains" in study.sections else None
        answered(study, store, run_id, transfers, registered, command, data)
    else:
        write_study(store, run_id, study.question, transfers, study.against)
    store.table(run_id, _rows(study, found), CONDITIONS)
    averages = {f"{name}/avg": metrics.get(front.PRIMARY_METRIC) for name, metrics in found.items()}
    store.metrics(run_id, {name: value for name, value in averages.items() if value is not None})
    store.settle()
    front.update(store)


def answered(
    study: Study,
    store: Store,
    run_id: str,
    transfers: Mapping[str, Sequence[str]],
    registered: Registration,
    command: str,
    data: pd.DataFrame | None = None,
) -> None:
    """Compute the contrasts and log the report on them.

    Args:
        data: what the arms are trained on, see :func:`mlflow_xfer.studies.training_data.described`.
    """
    frame = scores_of(store, transfers)
    found = compute(
        study, frame, registered=registered.stands, level=registered.level, dev=dev_of(store, transfers)
    )
    spent = page.spent_on(store, transfers)
    report, drawings = page.made(study, frame, found, registered, command=command, spent=spent, data=data)
    publish(store, run_id, report, short(found), drawings)


def transfers_of(store: Store, run_id: str) -> dict[str, tuple[str, ...]]:
    """The finished transfers of each arm of a study's run."""
    conditions = map(store.get, store.get(run_id).inputs)
    return {one.tags[CONDITION_TAG]: one.inputs for one in conditions}


def dev_of(store: Store, transfers: Mapping[str, Sequence[str]]) -> pd.DataFrame:
    """English dev scores of the selected checkpoints, by condition, task, base seed and seed; of what is not
    trained none."""
    import pandas as pd

    rows = []
    for name, of in transfers.items():
        for transfer in map(store.get, of):
            place = {
                "base_seed": int(transfer.tags.get("xfer.base_seed", "0")),
                "seed": int(transfer.tags["xfer.seed"]),
            }
            for evaluation in map(store.get, transfer.inputs):
                task = evaluation.tags.get("xfer.target", "")
                for trained in map(store.get, evaluation.inputs):
                    scores = [
                        value
                        for metric, value in trained.metrics.items()
                        if metric.startswith("dev/") and metric.endswith("/selected")
                    ]
                    if trained.tags.get("xfer.phase") == "target" and scores:
                        score = statistics.fmean(scores)
                        rows.append({"condition": name, "task": task, **place, "score": score})
    return pd.DataFrame(rows, columns=["condition", "task", "base_seed", "seed", "score"])


def _rows(study: Study, found: Mapping[str, Mapping[str, float]]) -> list[dict[str, Any]]:
    """Of each arm its scores, and their differences to the arm compared with, the mean's with interval."""
    means = {name: by_task(metrics) for name, metrics in found.items()}
    targets = sorted({task for by in means.values() for task in by})
    ends = ("selected/delta", "selected/delta_low", "selected/delta_high")
    keys = (*ends, *(f"delta/{task}" for task in targets), "n")
    return [
        {
            "condition": arm.name,
            "compared with": arm.against,
            front.PRIMARY_METRIC: found[arm.name].get(front.PRIMARY_METRIC),
            **{f"{SELECTED}{task}": means[arm.name].get(task) for task in targets},
            **{key: found[arm.name].get(key) for key in keys},
        }
        for arm in study.arms
    ]
