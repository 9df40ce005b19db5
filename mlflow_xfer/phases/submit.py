"""Gathers the predictions of finished runs into one folder in XTREME's format: of each
target the best run by dev."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mlflow_xfer.durable.files import check_new_folder
from mlflow_xfer.errors import XferError
from mlflow_xfer.scoring.validation import Finding, best_of, validate
from mlflow_xfer.tasks.catalogue import SUITES, TASKS
from mlflow_xfer.tracking.names import file_name

if TYPE_CHECKING:
    from mlflow_xfer.tracking.runs import RunView
    from mlflow_xfer.tracking.store import Store

PREDICTIONS = "predictions"


def submission(
    store: Store, run_ids: Sequence[str], out: Path, suite: str
) -> tuple[dict[str, str], list[Finding]]:
    """Write ``out/<task>/test-<language>.<ext>`` from evaluate runs, or transfers
    and conditions that hold some.

    With several runs each target is taken from the run with the best dev score (Phang et al.
    2020, the "best model per task" row); a target without dev data of its own, such as retrieval,
    from the first run that has it.

    Returns:
        the chosen evaluate run of each task, and what a leaderboard would refuse or wonder about.

    Raises:
        XferError: no evaluation in these runs, or ``out`` exists and is not empty.
    """
    out = Path(out)
    check_new_folder("out", out)
    evaluations = {run: evaluations_of(store, run) for run in run_ids}
    dev = {
        run: {task: dev_score(store, evaluation) for task, evaluation in by_task.items()}
        for run, by_task in evaluations.items()
    }
    chosen = {task: evaluations[run][task].run_id for task, run in best_of(dev).items()}
    if not chosen:
        raise XferError(
            f"There is no finished evaluation in {', '.join(run_ids)}.",
            "Name evaluate runs, transfers or conditions.",
        )
    out.mkdir(parents=True, exist_ok=True)
    for task, run_id in chosen.items():
        fetched = Path(
            store.ask(
                lambda run_id=run_id, task=task: store.client.download_artifacts(
                    run_id, f"{PREDICTIONS}/{task}"
                )
            )
        )
        shutil.copytree(fetched, out / task)
    wanted = SUITES.get(suite)
    return chosen, validate(out, wanted, {name: TASKS.get(name) for name in wanted.tasks})


def evaluations_of(store: Store, run_id: str, above: tuple[str, ...] = ()) -> dict[str, RunView]:
    """The finished evaluate runs behind a run, by target; of several seeds the first.

    Raises:
        XferError: a run is part of itself, or its target is no task's name.
    """
    run = store.answer(run_id)
    if run.run_id in above:
        raise XferError(f"Run {run.run_id} ({run.name}) is part of itself.", "Name its evaluate runs.")
    if run.tags.get("xfer.phase") == "evaluate":
        if run.status != "FINISHED" or "xfer.split" in run.tags:
            return {}
        return {file_name(run.tags["xfer.target"], f"The target of run {run.run_id}"): run}
    if run.kind == "phase":
        return {}
    by_task: dict[str, RunView] = {}
    for part in run.inputs:
        by_task = evaluations_of(store, part, (*above, run.run_id)) | by_task
    return by_task


def dev_score(store: Store, evaluation: RunView) -> float:
    """The selected checkpoint's English dev score behind an evaluation; minus infinity if it had none."""
    return selected_dev(store.get(evaluation.inputs[0]).metrics if evaluation.inputs else {})


def selected_dev(metrics: Mapping[str, float]) -> float:
    """Of a training's metrics the dev score of the checkpoint that was selected; minus infinity without."""
    scores = [
        value for name, value in metrics.items() if name.startswith("dev/") and name.endswith("/selected")
    ]
    return scores[0] if scores else float("-inf")
