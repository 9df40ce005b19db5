"""Transfers and conditions as runs: one row for each replicate,
and one for all seeds with interval and difference.
"""

from __future__ import annotations

import logging
import math
import statistics
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mlflow_xfer.markdown import table
from mlflow_xfer.params.settings import TrainingSettings
from mlflow_xfer.phases import overlaps, record
from mlflow_xfer.phases.plan import Plan, Transfer
from mlflow_xfer.scoring.suite import totals
from mlflow_xfer.tasks.catalogue import SUITES

if TYPE_CHECKING:
    from mlflow_xfer.phases.execute import Executor
    from mlflow_xfer.tracking.store import Store

logger = logging.getLogger(__name__)

Rows = Sequence[Mapping[str, Any]]

ORACLE = (
    "**Oracle**: checkpoints were selected with labels of the evaluated languages. Not zero-shot, in no "
    "suite total."
)
FEW_SHOT = (
    "**Few-shot**: trained with {} labelled examples of each evaluated language. Not zero-shot, in no suite "
    "total."
)


def run_plan(
    executor: Executor, plan: Plan, opened: str | None, baselines: Mapping[int, str] | None = None
) -> str:
    """Run the transfers of ``plan`` and return the run that stands for them:
    a transfer, or a condition over several.

    Args:
        opened: the run that ``mlflow run`` opened; becomes that run, or a request if all of it existed.
        baselines: plan hashes of the same transfers without intermediate task, by position; where finished
            runs with these hashes exist, a condition logs the paired difference to them.
    """
    if len(plan.transfers) == 1:
        return run_transfer(executor, plan, plan.transfers[0], opened=opened)
    earlier = finished(executor, plan.plan_hash, "condition")
    if earlier and all(executor.existing(phase) for phase in plan.phases):
        return pointed(executor.store, earlier, opened, name(plan.transfers[0], len(plan.transfers)))
    store = executor.store
    run_id = open_condition(store, plan, opened=opened)
    with record.ending(store, run_id):
        replicates = [run_transfer(executor, plan, transfer, parent=run_id) for transfer in plan.transfers]
        store.tags(run_id, {"xfer.input_run_ids": ",".join(replicates), **gathered(store, replicates)})
        store.flush()
        collapse(store, run_id, replicates, paired(executor, replicates, baselines or {}))
    return run_id


def open_condition(
    store: Store, plan: Plan, *, opened: str | None = None, parent: str | None = None, label: str = ""
) -> str:
    """Open the run of a condition; ``label`` where an arm of a study has a name of its own."""
    first = plan.transfers[0]
    own = tags(plan, first) | {"xfer.plan_hash": plan.plan_hash}
    title = (
        f"{label}: {len(plan.transfers)} seed{'s' * (len(plan.transfers) > 1)}"
        if label
        else name(first, len(plan.transfers))
    )
    return store.start(
        "condition",
        title,
        tags=own,
        params={k: v for k, v in params(first).items() if k != "seed"},
        parent=parent,
        run_id=opened,
    )


def run_transfer(
    executor: Executor,
    plan: Plan,
    transfer: Transfer,
    *,
    opened: str | None = None,
    parent: str | None = None,
) -> str:
    """Run one replicate, with its phases as children, and log its totals."""
    store = executor.store
    earlier = finished(executor, transfer.plan_hash, "transfer")
    if earlier and all(executor.existing(phase) for phase in transfer.phases):
        logger.info("%s: reused run %s (all its phases exist)", name(transfer), earlier)
        return pointed(store, earlier, opened, name(transfer))
    run_id = store.start(
        "transfer",
        name(transfer),
        tags=tags(plan, transfer)
        | {
            "xfer.plan_hash": transfer.plan_hash,
            "xfer.seed": str(transfer.seed),
            "xfer.base_seed": str(transfer.base_seed),
        },
        params=params(transfer),
        parent=parent,
        run_id=opened,
    )
    with record.ending(store, run_id):
        done = [executor.ensure(phase, parent=run_id) for phase in transfer.phases]
        reused = [d.run_id for d in done if d.how == "reused"]
        store.tags(
            run_id,
            {
                "xfer.input_run_ids": ",".join(d.run_id for d in done),
                **({"xfer.reused_from": ",".join(reused)} if reused else {}),
            },
        )
        store.flush()
        evaluated = [executor.done[phase.spec_hash].run_id for phase in transfer.evaluations.values()]
        log_totals(
            store,
            run_id,
            plan,
            [row for run in evaluated for row in record.read_table(store, run)],
            gathered(store, evaluated),
        )
    return run_id


def run_phases(executor: Executor, plan: Plan, opened: str | None) -> str:
    """Run the several phases that a phase verb was asked for, under one run of kind transfer."""
    store = executor.store
    label = f"{plan.verb} {'+'.join(task.name for phase in plan.requested for task in phase.tasks)}"
    earlier = finished(executor, plan.plan_hash, "transfer")
    if earlier and all(executor.existing(phase) for phase in plan.phases):
        return pointed(store, earlier, opened, label)
    run_id = store.start(
        "transfer",
        label,
        tags={**record.phase_tags(plan.requested[0], plan.suite), "xfer.plan_hash": plan.plan_hash},
        run_id=opened,
    )
    with record.ending(store, run_id):
        done = [executor.ensure(phase, parent=run_id) for phase in plan.requested]
        store.tags(run_id, {"xfer.input_run_ids": ",".join(d.run_id for d in done)})
        store.flush()
        if plan.verb == "evaluate":
            log_totals(store, run_id, plan, [row for d in done for row in record.read_table(store, d.run_id)])
    return run_id


def gathered(store: Store, evaluated: Sequence[str]) -> dict[str, str]:
    """The overlap tags of several evaluate or transfer runs as one: the gravest status, all details."""
    tags = [store.get(run).tags for run in evaluated]
    details = dict.fromkeys(line for found in tags for line in found.get(overlaps.DETAILS, "").splitlines())
    return overlaps.joined(
        [found[overlaps.STATUS] for found in tags if overlaps.STATUS in found], list(details)
    )


def log_totals(
    store: Store, run_id: str, plan: Plan, rows: Rows, overlap: Mapping[str, str] | None = None
) -> None:
    """Suite and selection totals as metrics, the per-language table, and a description for the run page."""
    import pandas as pd

    scores: dict[str, dict[str, float]] = {}
    for row in rows:
        scores.setdefault(row["task"], {})[row["language"]] = row["score"]
    on_dev = {row["task"] for row in rows if row.get("split") == "validation"}
    metrics = suite_metrics(plan, scores, on_dev)
    store.metrics(run_id, metrics)
    store.table(run_id, pd.DataFrame(list(rows)), record.PER_LANGUAGE)
    store.tags(run_id, {"mlflow.note.content": described(rows, metrics, overlap or {}), **(overlap or {})})


def suite_metrics(
    plan: Plan, scores: Mapping[str, Mapping[str, float]], on_dev: Collection[str] = ()
) -> dict[str, float]:
    """``<suite>/…`` where the suite's rule allows it, and always ``selected/avg`` over what was asked.

    ``on_dev`` names tasks scored on dev for want of a test set: no part of the suite's totals.
    """
    asked = {f"selected/{task}": sum(by.values()) / len(by) for task, by in scores.items()}
    metrics = {
        "selected/avg": sum(asked.values()) / len(asked),
        **asked,
    }  # the first is what MLflow's compare page selects
    if any(record.outside_totals(phase) for phase in plan.phases if phase.kind == "evaluate"):
        return metrics
    suite = SUITES.get(plan.suite)
    trained = {
        task.name: task.trained for phase in plan.phases if phase.kind == "evaluate" for task in phase.tasks
    }
    found = totals(suite, {task: by for task, by in scores.items() if task not in on_dev}, trained)
    named = {
        "avg": found.avg,
        "avg_trained": found.avg_trained,
        "gap": found.gap,
        "std": found.std,
        **found.groups,
        **found.tasks,
    }
    return metrics | {f"{suite.name}/{key}": value for key, value in named.items() if value is not None}


def collapse(
    store: Store, run_id: str, replicates: Sequence[str], baseline: Sequence[Mapping[str, float]]
) -> None:
    """Metrics of a condition: means over its transfers,
    interval of ``selected/avg``, n, and differences to ``baseline``.

    ``baseline`` holds the metrics of the paired replicates (same seeds, hence same heads and orders); empty:
    none.
    """
    found = [store.get(replicate).metrics for replicate in replicates]
    common = set.intersection(*(set(metrics) for metrics in found))
    in_order = [key for key in found[0] if key in common]
    metrics = {key: sum(m[key] for m in found) / len(found) for key in in_order} | {"n": len(found)}
    averages = [m["selected/avg"] for m in found]
    low, high = mean_interval(averages)
    metrics |= {"selected/avg_low": low, "selected/avg_high": high}
    if baseline:
        differences = [a - b["selected/avg"] for a, b in zip(averages, baseline, strict=True)]
        low, high = mean_interval(differences)
        metrics |= {
            "selected/delta": sum(differences) / len(differences),
            "selected/delta_low": low,
            "selected/delta_high": high,
        }
        tasks = {key for key in common if key.startswith("selected/") and key != "selected/avg"}
        metrics |= {
            f"delta/{key.removeprefix('selected/')}": statistics.fmean(
                a[key] - b[key] for a, b in zip(found, baseline, strict=True)
            )
            for key in tasks
        }
    store.metrics(run_id, metrics)


def mean_interval(values: Sequence[float], level: float = 0.95) -> tuple[float, float]:
    """Student's t interval of a mean over replicates; (nan, nan) for fewer than two."""
    from scipy import stats

    n = len(values)
    if n < 2:
        return math.nan, math.nan
    half = float(stats.t.ppf((1 + level) / 2, n - 1)) * statistics.stdev(values) / math.sqrt(n)
    return statistics.fmean(values) - half, statistics.fmean(values) + half


def paired(
    executor: Executor, replicates: Sequence[str], baselines: Mapping[int, str]
) -> list[Mapping[str, float]]:
    """The metrics of the baseline transfer of each replicate;
    empty unless every one has a finished baseline.
    """
    runs = [
        finished(executor, baselines[n], "transfer") if n in baselines else None
        for n in range(len(replicates))
    ]
    if not all(runs):
        return []
    return [executor.store.get(run).metrics for run in runs if run]


def finished(executor: Executor, plan_hash: str, kind: str) -> str | None:
    """The oldest finished run of ``kind`` with this plan."""
    if executor.reuse == "never":
        return None
    found = executor.store.search(
        {"xfer.kind": kind, "xfer.plan_hash": plan_hash}, status="FINISHED", limit=1
    )
    return found[0].run_id if found else None


def pointed(store: Store, earlier: str, opened: str | None, label: str) -> str:
    if opened:
        record.request(store, opened, earlier, label)
    return earlier


def name(transfer: Transfer, n: int = 1) -> str:
    """``mnli+squad → xnli s1``, or with ``5 seeds`` for a condition."""
    marks = [f"{n} seeds" if n > 1 else f"s{transfer.seed}"]
    control = any(phase.settings.control != "none" for phase in transfer.phases)
    shots = {
        phase.settings.target_shots
        for phase in transfer.phases
        if isinstance(phase.settings, TrainingSettings) and phase.settings.target_shots
    }
    marked = ["random"] * control + [f"{k} shots" for k in shots] + ["oracle"] * is_oracle(transfer)
    combined = f" ({transfer.combine})" if transfer.combine in ("sequential", "merge") else ""
    return " ".join(
        [
            f"{'+'.join(transfer.intermediates) or 'baseline'}{combined} → {'+'.join(transfer.targets)}",
            *marked,
            *marks,
        ]
    )


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
    return {
        "intermediate": ",".join(transfer.intermediates) or "none",
        "target": ",".join(transfer.targets),
        "seed": transfer.seed,
    }


def described(rows: Rows, metrics: Mapping[str, float], overlap: Mapping[str, str]) -> str:
    """Markdown for the run page: the totals, each task with its English and other scores, and overlaps."""
    said = [ORACLE, ""] if any(row.get("oracle") for row in rows) else []
    said += [
        part
        for k in sorted({int(row["target_shots"]) for row in rows if row.get("target_shots")})
        for part in (FEW_SHOT.format(k), "")
    ]
    lines = [
        f"**selected/avg {metrics['selected/avg']:.1f}**",
        "",
        *said,
    ]
    body = []
    for task in dict.fromkeys(row["task"] for row in rows):
        mine = [row for row in rows if row["task"] == task]
        others = [row["score"] for row in mine if row["language"] != "en"]
        english = [row["score"] for row in mine if row["language"] == "en"]
        cells = [
            task,
            len(mine),
            mean([r["score"] for r in mine]),
            mean(english),
            mean(others),
            mean([r["majority"] for r in mine]),
            mean([r["chance"] for r in mine]),
        ]
        body.append(cells)
    head = ("task", "languages", "mean", "en", "others", "majority", "chance")
    return "\n".join(
        [
            *lines,
            table(head, body),
            *(f"\nOverlap: {line}" for line in overlap.get(overlaps.DETAILS, "").splitlines()),
        ]
    )


def mean(values: Sequence[float | None]) -> str:
    known = [value for value in values if value is not None]
    return f"{sum(known) / len(known):.1f}" if known else "–"
