"""What a run of one seed found: the figures of a training, the scores of an evaluation or a transfer."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mlflow_xfer.phases import record, same_task
from mlflow_xfer.phases.phase import digest
from mlflow_xfer.phases.remarks import remarks
from mlflow_xfer.reporting.columns import Summary, Table
from mlflow_xfer.tracking.results import BASE_SEEN, SAME_TASK
from mlflow_xfer.tracking.runs import RunView
from mlflow_xfer.tracking.store import Store

Rows = Sequence[Mapping[str, Any]]
SCORED = ("selected/", f"{SAME_TASK}/")
INTERVAL = "95 % interval"


def trained(run: RunView) -> Summary:
    """A training: the figures of the checkpoint that was selected, and what it cost."""
    selected = {
        name.removesuffix("/selected"): value
        for name, value in run.metrics.items()
        if name.startswith(record.SELECTING) and name.endswith("/selected")
    }
    cost = {
        "optimiser steps": run.metrics.get("train/optimizer_steps"),
        "selected step": run.metrics.get("train/selected_step"),
        "tokens": run.metrics.get("train/tokens"),
        "seconds": run.metrics.get("train/seconds"),
    }
    counted = [(name, f"{value:,.0f}") for name, value in cost.items() if value is not None]
    figures = [Table("Scores of the selected checkpoint", ("score", "points"), list(selected.items()))]
    collapsed = ["It collapsed: it says the same of every example."] if "xfer.collapsed" in run.tags else []
    return Summary(
        run.name, [*(figures if selected else []), Table("Training", ("", "amount"), counted)], collapsed
    )


def evaluated(store: Store, run: RunView) -> Summary:
    """An evaluation or a transfer of one seed: by task and by language, with intervals over the examples."""
    if run.kind == "transfer" and not any(name.startswith(SCORED) for name in run.metrics):
        return Summary(run.name)  # several trainings, no evaluation
    rows = record.read_table(store, run.run_id)
    tables = [_by_task(store, rows, run.metrics), *_by_language(rows)]
    return Summary(run.name, tables, list(remarks(run, rows)))


def _by_task(store: Store, rows: Rows, metrics: Mapping[str, float]) -> Table:
    """The mean of each task, English and the other languages apart, beside what needs no model."""
    data = versions(store, rows)
    head = ("task", "data", "metric", "languages", "mean", "English", "others", "chance", "majority")
    body = [
        (
            named(task, mine),
            data.get(task, ""),
            mine[0]["metric"],
            len(mine),
            mean([row["score"] for row in mine]),
            mean([row["score"] for row in mine if row["language"] == "en"]),
            mean([row["score"] for row in mine if row["language"] != "en"]),
            mean([row.get("chance") for row in mine]),
            mean([row.get("majority") for row in mine]),
        )
        for task, mine in by_task(rows).items()
    ]
    totals = [
        (name, "", "", None, value, *[None] * 4)
        for name, value in metrics.items()
        if name.endswith("/avg") and (len(body) > 1 or name != "selected/avg")
    ]
    return Table("Scores by task", head, [*body, *totals])


def _by_language(rows: Rows) -> Iterator[Table]:
    """The scores of each task by language, with their intervals over the examples."""
    for task, mine in by_task(rows).items():
        body = [
            (
                row["language"],
                row["score"],
                (row["low"], row["high"]),
                row["n"],
                row["chance"],
                row["majority"],
            )
            for row in mine
        ]
        yield Table(task, ("language", "score", INTERVAL, "examples", "chance", "majority"), body)


def versions(store: Store, rows: Rows) -> dict[str, str]:
    """Which data each task was scored on: the suite's version, a commit of the hub, or a digest of files."""
    found: dict[str, str] = {}
    for row in rows:
        if row["task"] not in found:
            spec = store.read_json(row["run_id"], "spec.json") or {}
            found[row["task"]] = _version([one["identity"] for one in spec.get("rows", ())])
    return found


def _version(identities: Sequence[str]) -> str:
    kinds = {identity.split(":")[0] for identity in identities}
    if kinds == {"mini"}:
        return f"mini v{identities[0].split(':')[1]}"
    return f"{'+'.join(sorted(kinds))} {digest(sorted(identities))[:8]}" if identities else ""


# -- parts ---------------------------------------------------------------------------------------------------


def named(task: str, rows: Rows) -> str:
    marks = {SAME_TASK: same_task.STATUS, BASE_SEEN: "base-seen"}
    said = [mark for column, mark in marks.items() if rows[0].get(column)]
    return f"{task} ({', '.join(said)})" if said else task


def by_task(rows: Rows) -> dict[str, list[Mapping[str, Any]]]:
    found: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        found.setdefault(row["task"], []).append(row)
    return found


def mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.fmean(known) if known else None
