"""What a run found, as its command shows it at its end: read back from the store, whether the command made
the run or took an earlier one.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mlflow_xfer.conditions.comparison import mean_interval
from mlflow_xfer.phases import record, same_task
from mlflow_xfer.phases.phase import digest
from mlflow_xfer.phases.remarks import remarks
from mlflow_xfer.reporting.by_task import DEMONSTRATION, DRAWN
from mlflow_xfer.reporting.columns import Summary, Table, of_metrics
from mlflow_xfer.studies.run import CONDITIONS
from mlflow_xfer.tracking.links import VERDICT
from mlflow_xfer.tracking.results import BASE_SEEN, SAME_TASK
from mlflow_xfer.tracking.runs import RunView
from mlflow_xfer.tracking.store import Store

Rows = Sequence[Mapping[str, Any]]
SCORED = ("selected/", f"{SAME_TASK}/")
INTERVAL, DIFFERENCE, DIFFERENCES = "95 % interval", "difference", "95 % interval of it"


def concluded(store: Store, run_id: str) -> Summary:
    """What the run, or the one that it points to, holds."""
    run = store.answer(run_id)
    if run.kind == "phase":
        return _evaluated(store, run) if run.tags.get("xfer.phase") == "evaluate" else _trained(run)
    return {"condition": _condition, "study": _study}.get(run.kind, _evaluated)(store, run)


# -- one seed ------------------------------------------------------------------------------------------------


def _trained(run: RunView) -> Summary:
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


def _evaluated(store: Store, run: RunView) -> Summary:
    """An evaluation or a transfer of one seed: by task and by language, with intervals over the examples."""
    if run.kind == "transfer" and not any(name.startswith(SCORED) for name in run.metrics):
        return Summary(run.name)  # several trainings, no evaluation
    rows = record.read_table(store, run.run_id)
    tables = [_by_task(store, rows, run.metrics), *_by_language(rows)]
    return Summary(run.name, tables, list(remarks(run, rows)))


def _by_task(store: Store, rows: Rows, metrics: Mapping[str, float]) -> Table:
    """The mean of each task, English and the other languages apart, beside what needs no model."""
    data = _versions(store, rows)
    head = ("task", "data", "metric", "languages", "mean", "English", "others", "chance", "majority")
    body = [
        (
            _named(task, mine),
            data.get(task, ""),
            mine[0]["metric"],
            len(mine),
            _mean([row["score"] for row in mine]),
            _mean([row["score"] for row in mine if row["language"] == "en"]),
            _mean([row["score"] for row in mine if row["language"] != "en"]),
            _mean([row.get("chance") for row in mine]),
            _mean([row.get("majority") for row in mine]),
        )
        for task, mine in _tasks(rows).items()
    ]
    totals = [
        (name, "", "", None, value, *[None] * 4)
        for name, value in metrics.items()
        if name.endswith("/avg") and (len(body) > 1 or name != "selected/avg")
    ]
    return Table("Scores by task", head, [*body, *totals])


def _by_language(rows: Rows) -> Iterator[Table]:
    """The scores of each task by language, with their intervals over the examples."""
    for task, mine in _tasks(rows).items():
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


def _versions(store: Store, rows: Rows) -> dict[str, str]:
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


# -- several seeds -------------------------------------------------------------------------------------------


def _condition(store: Store, run: RunView) -> Summary:
    """A condition: means over its seeds with intervals, and what they differ by from the baseline."""
    replicates = [record.read_table(store, one) for one in run.inputs]
    if not replicates or not any(name.startswith(SCORED) for name in run.metrics):
        return Summary(run.name)
    scores = _means(replicates)
    baselines = {row["task"]: (row.get("chance"), row.get("majority")) for row in replicates[0]}
    data = _versions(store, replicates[0])
    compared = "selected/delta" in run.metrics
    head = ["task", "data", "mean", INTERVAL, "English", "others", "chance", "majority"]
    body = [
        [
            _named(task, _tasks(replicates[0])[task]),
            data.get(task, ""),
            *_over_seeds([_mean(list(by.values())) for by in per_seed]),
            _mean([by.get("en") for by in per_seed]),
            _mean([score for by in per_seed for language, score in by.items() if language != "en"]),
            *baselines[task],
            *([run.metrics.get(f"delta/{task}"), None] if compared else []),
        ]
        for task, per_seed in scores.items()
    ]
    if len(body) > 1:
        mean = [run.metrics.get("selected/avg"), of_metrics(run.metrics, "selected/avg")]
        difference = [run.metrics.get("selected/delta"), of_metrics(run.metrics, "selected/delta")]
        body.append(["mean", "", *mean, *[None] * 4, *(difference if compared else [])])
    elif compared:
        body[0][-1] = of_metrics(run.metrics, "selected/delta")
    signed = (DIFFERENCE, DIFFERENCES) if compared else ()
    tables = [Table("Scores by task", [*head, *signed], body, signed)]
    tables += [_languages(task, per_seed) for task, per_seed in scores.items()]
    said = f"Means over {len(replicates)} seeds; intervals over seeds (Student's t)."
    baseline = (
        ["Differences are paired by seed, to the same transfers without intermediate task."]
        if compared
        else ["Not compared: the same transfer with --intermediate none has not been run on these seeds."]
        if run.tags.get("xfer.tasks", "none") != "none"
        else []
    )
    return Summary(run.name, tables, [said, *baseline, *_few(len(replicates)), *remarks(run, replicates[0])])


def _languages(task: str, per_seed: Sequence[Mapping[str, float]]) -> Table:
    languages = [language for language in per_seed[0] if all(language in by for by in per_seed)]
    body = [(language, *_over_seeds([by[language] for by in per_seed])) for language in languages]
    return Table(task, ("language", "mean", INTERVAL), body)


def _study(store: Store, run: RunView) -> Summary:
    """A study: its answer, its conditions beside each other, and the languages of the task that the answer
    names: what the study's page says."""
    rows = store.read_table(run.run_id, CONDITIONS)
    if not rows:
        return Summary(run.name)
    targets = [name.removeprefix("delta/") for name in rows[0] if name.startswith("delta/")]
    head = [
        "condition",
        "mean",
        *(column for target in targets for column in (target, f"± {target}")),
        DIFFERENCE,
        INTERVAL,
        "compared with",
        "seeds",
    ]
    body = [
        [
            row["condition"],
            row["selected/avg"],
            *(value for target in targets for value in (row[f"selected/{target}"], row[f"delta/{target}"])),
            row["selected/delta"],
            (row["selected/delta_low"], row["selected/delta_high"]),
            row["compared with"],
            int(row["n"]),
        ]
        for row in rows
    ]
    signed = [*(f"± {target}" for target in targets), DIFFERENCE, INTERVAL]
    tables = [Table("Conditions (±: difference to the one compared with)", head, body, signed)]
    answer = store.read_json(run.run_id, VERDICT) or {}
    tables += _lead(answer)
    seeds = int(rows[0]["n"])
    chance = {
        row["task"]: row["chance"]
        for row in record.read_table(store, store.get(run.inputs[0]).inputs[0])
        if row.get("chance") is not None
    }
    said = "Chance: " + ", ".join(f"{task} {value:.1f}" for task, value in chance.items()) + "."
    headline = [f"{answer['headline']}."] if "headline" in answer else []
    return Summary(run.name, tables, [*headline, *([said] if chance else []), *_few(seeds)])


def _lead(answer: Mapping[str, Any]) -> Iterator[Table]:
    """Language by language, the differences on the task that the study's answer names."""
    lead = answer.get("lead")
    for one in answer.get("by_task", ()):
        if lead == {"condition": one["condition"], "task": one["task"]} and "languages" in one:
            body = [
                (row["language"], row["estimate"], (row["low"], row["high"]), row["raw"])
                for row in one["languages"]["effects"]
            ]
            title = f"{one['task']}: {one['condition']} against {one['baseline']} ({DRAWN})"
            yield Table(title, ("language", DIFFERENCE, INTERVAL, "raw"), body, (DIFFERENCE, INTERVAL, "raw"))


# -- parts ---------------------------------------------------------------------------------------------------


def _named(task: str, rows: Rows) -> str:
    marks = {SAME_TASK: same_task.STATUS, BASE_SEEN: "base-seen"}
    said = [mark for column, mark in marks.items() if rows[0].get(column)]
    return f"{task} ({', '.join(said)})" if said else task


def _tasks(rows: Rows) -> dict[str, list[Mapping[str, Any]]]:
    found: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        found.setdefault(row["task"], []).append(row)
    return found


def _means(replicates: Sequence[Rows]) -> dict[str, list[dict[str, float]]]:
    """By task, for each seed the score of each language."""
    return {
        task: [{row["language"]: row["score"] for row in rows if row["task"] == task} for rows in replicates]
        for task in _tasks(replicates[0])
    }


def _over_seeds(values: Sequence[float | None]) -> tuple[float | None, tuple[float, float]]:
    """Mean and interval."""
    known = [value for value in values if value is not None]
    return _mean(known), mean_interval(known)


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.fmean(known) if known else None


def _few(seeds: int) -> list[str]:
    return [f"A demonstration: {seeds} seeds decide little."] if seeds < DEMONSTRATION else []
