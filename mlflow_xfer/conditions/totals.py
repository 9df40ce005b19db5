"""What a transfer found: totals as metrics, the table of all languages, and a description of its page."""

from __future__ import annotations

import math
import statistics
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mlflow_xfer.markdown import table
from mlflow_xfer.phases import overlaps, record
from mlflow_xfer.phases.plan import Plan
from mlflow_xfer.scoring.suite import totals
from mlflow_xfer.tasks.catalogue import SUITES
from mlflow_xfer.tracking.front import PRIMARY_METRIC, SUMMARIES
from mlflow_xfer.tracking.results import SAME_TASK
from mlflow_xfer.tracking.score_tables import TABLE

if TYPE_CHECKING:
    from mlflow_xfer.tracking.store import Store

Rows = Sequence[Mapping[str, Any]]

SELECTED = "selected/"
"""Before what holds of the tasks and languages that were asked for, whichever they are."""
ORACLE = (
    "**Oracle**: checkpoints were selected with labels of the evaluated languages. Not zero-shot, in no "
    "suite total."
)
FEW_SHOT = (
    "**Few-shot**: trained with {} labelled examples of each evaluated language. Not zero-shot, in no suite "
    "total."
)


def gathered(store: Store, evaluated: Sequence[str]) -> dict[str, str]:
    """The overlap tags of several evaluate or transfer runs as one: the gravest status, all details."""
    tags = [store.get(run).tags for run in evaluated]
    details = dict.fromkeys(line for one in tags for line in one.get(overlaps.DETAILS, "").splitlines())
    return overlaps.joined(
        [one[overlaps.STATUS] for one in tags if overlaps.STATUS in one],
        list(details),
    )


def log_totals(
    store: Store, run_id: str, plan: Plan, rows: Rows, overlap: Mapping[str, str] | None = None
) -> None:
    """Suite and selection totals as metrics, the per-language table, and a description for the run page."""
    import pandas as pd

    scores: dict[str, dict[str, float]] = {}
    own: dict[str, list[float]] = {}
    for row in rows:
        if row.get(SAME_TASK):
            own.setdefault(row["task"], []).append(row["score"])
        else:
            scores.setdefault(row["task"], {})[row["language"]] = row["score"]
    on_dev = {row["task"] for row in rows if row.get("split") == "validation"}
    metrics = suite_metrics(plan, scores, on_dev) if scores else {}
    metrics |= {f"{SAME_TASK}/{task}": statistics.fmean(values) for task, values in own.items()}
    store.metrics(run_id, metrics)
    store.table(run_id, pd.DataFrame(list(rows)), TABLE)
    store.tags(run_id, {"mlflow.note.content": described(rows, metrics, overlap or {}), **(overlap or {})})


def suite_metrics(
    plan: Plan, scores: Mapping[str, Mapping[str, float]], on_dev: Collection[str] = ()
) -> dict[str, float]:
    """``<suite>/…`` where the suite's rule allows it, and always ``selected/avg`` over what was asked.

    A task has ``selected/<task>`` only where that is not what ``<suite>/<task>`` says: :func:`by_task` reads
    either. ``scores`` are those of tasks that are not trained on before; ``on_dev`` names tasks scored on dev
    for want of a test set: no part of the suite's totals.
    """
    asked = {task: sum(by.values()) / len(by) for task, by in scores.items()}
    average = {PRIMARY_METRIC: sum(asked.values()) / len(asked)}  # MLflow's compare page selects the first
    if any(record.outside_totals(phase) for phase in plan.phases if phase.kind == "evaluate"):
        return average | {f"{SELECTED}{task}": value for task, value in asked.items()}
    suite = SUITES.get(plan.suite)
    trained = {
        task.name: task.trained for phase in plan.phases if phase.kind == "evaluate" for task in phase.tasks
    }
    averages = totals(suite, {task: by for task, by in scores.items() if task not in on_dev}, trained)
    named = {
        "avg": averages.avg,
        "avg_trained": averages.avg_trained,
        "gap": averages.gap,
        "std": averages.std,
        **averages.groups,
        **averages.tasks,
    }
    said = {f"{suite.name}/{key}": value for key, value in named.items() if value is not None}
    whole = {task: value for task, value in averages.tasks.items() if value is not None}
    rest = {
        f"{SELECTED}{task}": value
        for task, value in asked.items()
        if not math.isclose(whole.get(task, math.nan), value)  # languages may be added in another order
    }
    return average | rest | said


def by_task(metrics: Mapping[str, float]) -> dict[str, float]:
    """The mean of each task over the languages asked for, from the metrics of a transfer or condition."""
    suites = {
        task: metrics[f"{suite.name}/{task}"]
        for suite in SUITES
        for task in suite.tasks
        if f"{suite.name}/{task}" in metrics
    }
    asked = {
        key.removeprefix(SELECTED): value
        for key, value in metrics.items()
        if key.startswith(SELECTED) and key not in SUMMARIES
    }
    return suites | asked


def described(rows: Rows, metrics: Mapping[str, float], overlap: Mapping[str, str]) -> str:
    """Markdown for the run page: the totals, each task with its English and other scores, and overlaps."""
    said = [ORACLE, ""] if any(row.get("oracle") for row in rows) else []
    said += [
        part
        for k in sorted({int(row["target_shots"]) for row in rows if row.get("target_shots")})
        for part in (FEW_SHOT.format(k), "")
    ]
    average = metrics.get(PRIMARY_METRIC)
    lines = [f"**selected/avg {average:.1f}**" if average is not None else "**same task**", "", *said]
    body = []
    for task in dict.fromkeys(row["task"] for row in rows):
        mine = [row for row in rows if row["task"] == task]
        others = [row["score"] for row in mine if row["language"] != "en"]
        english = [row["score"] for row in mine if row["language"] == "en"]
        cells = [
            f"{task} (same task)" if mine[0].get(SAME_TASK) else task,
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
