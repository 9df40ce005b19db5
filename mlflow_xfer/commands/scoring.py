"""The verbs of predictions: of one's own examples, and in XTREME's format."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from mlflow_xfer.commands.running import opened
from mlflow_xfer.data.unlabelled import Line
from mlflow_xfer.params import lookups
from mlflow_xfer.reporting.columns import Summary, Table, points
from mlflow_xfer.scoring.submission import score_folder
from mlflow_xfer.scoring.validation import Finding
from mlflow_xfer.tracking import job
from mlflow_xfer.tracking.references import run_of

logger = logging.getLogger(__name__)


def score(params: lookups.Score) -> dict[str, Any]:
    """``{suite, avg|None, groups, tasks: {name: {score, components, languages}}, missing, …}``."""
    suite = params.suite
    found = score_folder(params.predictions, params.labels, suite, warn=logger.warning)
    if params.track:
        with opened() as store:
            run_id = store.start(
                "request",
                f"score {suite}",
                tags={"xfer.suite": suite, "xfer.predictions": params.predictions},
                run_id=job.take(store),
            )
            named = (
                {f"{suite}/{name}": task["score"] for name, task in found["tasks"].items()}
                | {f"{suite}/{name}": value for name, value in found["groups"].items()}
                | {f"{suite}/{name}": found[name] for name in ("avg", "avg_trained", "gap", "std")}
            )
            store.metrics(run_id, {name: value for name, value in named.items() if value is not None})
            store.dict_artifact(run_id, found, "results/scores.json")
            store.finish(run_id)
    return found


def figures(params: lookups.Score, found: Mapping[str, Any]) -> str:
    """JSON, or tables as other verbs print them."""
    if params.output == "json":
        return json.dumps(found, indent=2, ensure_ascii=False)
    return shown(found).text()


def shown(found: Mapping[str, Any]) -> Summary:
    """Tasks with their components, totals, and what is missing."""
    tasks = [
        (
            name,
            task["score"],
            len(task["languages"]),
            ", ".join(f"{key} {points(value)}" for key, value in task["components"].items()),
        )
        for name, task in found["tasks"].items()
    ]
    totals = [
        *found["groups"].items(),
        (f"{found['suite']}, on average", found["avg"]),
        ("on average over trained tasks", found["avg_trained"]),
    ]
    missing = [f"Missing: {', '.join(found['missing'])}."] if found["missing"] else []
    tables = [
        Table("Scores by task", ("task", "score", "languages", "components"), tasks),
        Table("Totals", ("of", "score"), totals),
    ]
    return Summary(f"{found['suite']}: scores", tables, missing)


def predict(params: lookups.Predict) -> list[dict[str, Any]]:
    from mlflow_xfer.phases.prediction import predict_file

    with ExitStack() as stack:
        return predict_file(
            params.model,
            params.file,
            params.task,
            lambda: stack.enter_context(opened(probe=False, make=False)),
            None if params.max_seq_length == "auto" else params.max_seq_length,
        )


def rows(params: lookups.Predict, found: Sequence[Mapping[str, Any]]) -> str:
    """A line for each example; in TSV what was predicted comes first, and numbers of lines are left out."""
    if params.format == "jsonl":
        return "\n".join(json.dumps(row, ensure_ascii=False) for row in found)
    names = dict.fromkeys(name for row in found for name in row if not isinstance(row[name], Line))
    head = sorted(names, key=lambda name: name not in ("prediction", "cosine"))
    lines = [head, *([_cell(row.get(name, "")) for name in head] for row in found)]
    return "\n".join("\t".join(line) for line in lines)


def _cell(value: Any) -> str:
    """A value in a TSV: lists (tags, words) between blanks, choices between bars; no tab, no line break.
    What JSON alone can say is left as JSON."""
    if value is None:
        return ""
    if isinstance(value, dict):
        return " ".join(json.dumps(value, ensure_ascii=False).split())
    joined = (
        (" | " if any(" " in str(item) for item in value) else " ").join(map(str, value))
        if isinstance(value, list)
        else str(value)
    )
    return " ".join(joined.split())


def submission(params: lookups.Submission) -> tuple[dict[str, str], list[Finding]]:
    """The run chosen for each task, and what a leaderboard would refuse or wonder about."""
    from mlflow_xfer.phases.submit import submission as gather

    with opened(probe=False, make=False) as store:
        return gather(store, [run_of(store, name) for name in params.runs], Path(params.out), params.suite)


def findings(params: lookups.Submission, found: tuple[Mapping[str, str], Sequence[Finding]]) -> str:
    chosen, faults = found
    taken = "refuse it" if any(fault.refused for fault in faults) else "take it"
    return "\n".join(
        [
            *(f"{task}: run {run}" for task, run in chosen.items()),
            *map(str, faults),
            f"written to {params.out}; a leaderboard would {taken}",
        ]
    )
