"""What phases leave in MLflow: tags, parameters, metrics, tables and predictions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlflow_xfer.errors import XferError
from mlflow_xfer.markdown import plain
from mlflow_xfer.params.settings import RuntimeOptions, TrainingSettings
from mlflow_xfer.phases.base_seen import SEEN_TAG
from mlflow_xfer.phases.endings import HOLDER_TAG, ended_if_it_fails
from mlflow_xfer.phases.phase import BaseModel, FinishedRun, Phase, digest, identity
from mlflow_xfer.scoring.formats import write_predictions
from mlflow_xfer.tracking import front, links
from mlflow_xfer.tracking.inputs import known_as
from mlflow_xfer.tracking.reuse import ARTIFACTS_TAG
from mlflow_xfer.tracking.runs import RESULT_TAG
from mlflow_xfer.tracking.score_tables import TABLE, score_table
from mlflow_xfer.tracking.told_apart import DATA_TAG

if TYPE_CHECKING:
    from mlflow_xfer.phases.evaluate import Evaluation
    from mlflow_xfer.tracking.store import Store
    from mlflow_xfer.training.trainer import TrainingResult

BUCKETS = "results/buckets.json"
EXAMPLES = "results/examples.json"
SELECTING = (
    "dev/",
    "label_free/",
    "oracle/",
)  # metrics that are logged along a training, and once more for what was selected
CONTEXTS = {"train": "train", "validation": "dev", "test": "test"}
WORK = (
    "train/optimizer_steps",
    "train/tokens",
    "train/seconds",
    "predict/seconds",
)  # what a run itself did: never copied to another run


def open_phase(
    store: Store,
    phase: Phase,
    code: str,
    inputs: Sequence[str],
    *,
    parent: str | None,
    run_id: str | None,
    suite: str,
    holder: str = "",
    runtime: RuntimeOptions = RuntimeOptions(),  # noqa: B008 - frozen
) -> str:
    """Open the run of ``phase`` (or the given one again) with all that identifies it,
    which worker holds it, and where that is other than usual, how it is computed.
    """
    tags = (
        phase_tags(phase, suite)
        | ({HOLDER_TAG: holder} if holder else {})
        | {
            "xfer.spec_hash": phase.spec_hash,
            "xfer.code_hash": code,
            "xfer.input_run_ids": ",".join(inputs),
            ARTIFACTS_TAG: TABLE if phase.kind == "evaluate" else "model",
        }
    )
    params = {name: value for name, value in phase.settings.shown().items() if value not in (None, "")}
    if phase.seed is not None:
        params["seed"] = phase.seed
    params |= runtime.shown()
    opened = store.start("phase", phase.title, tags=tags, params=params, parent=parent, run_id=run_id)
    with ended_if_it_fails(store, opened, holder):
        _describe(store, phase, opened)
    return opened


def _describe(store: Store, phase: Phase, opened: str) -> None:
    """Log what the run of ``phase`` is to do, and with which data."""
    store.dict_artifact(opened, phase.spec(), "spec.json")
    store.dict_artifact(
        opened,
        {
            **phase.settings.given(),
            "seed": phase.seed,
            "tasks": [t.name for t in phase.tasks],
            "base_model": phase.root().reference,
        },
        "params.json",
    )
    for rows in phase.rows:
        store.input(opened, rows, CONTEXTS.get(rows.split, rows.split))
    for _, rows in phase.selection:
        store.input(opened, rows, f"selection ({phase.selects_by})")


def phase_tags(phase: Phase, suite: str) -> dict[str, str]:
    """Lineage and look-up tags; who launched a run is MLflow's own tag and says nothing about this."""
    seed = phase.replicate if phase.seed is None else phase.seed
    behind = (phase, *phase.ancestors())
    target = next((p for p in behind if p.kind in ("target", "evaluate")), None)
    trained = [p.settings for p in behind if isinstance(p.settings, TrainingSettings)]
    base = next((p.seed for p in phase.ancestors() if p.kind == "pretrain"), None)
    tags = {
        "xfer.phase": phase.kind,
        "xfer.tasks": ",".join(phase.intermediates),
        "xfer.combine": phase.combine if phase.combine != "joint" else "",
        "xfer.target": (target.target or target.tasks[0].name) if target else "",
        "xfer.base_model": phase.root().reference,
        "xfer.base_identity": identity(phase.root()),
        "xfer.seed": "" if seed is None else str(seed),
        "xfer.base_seed": str(base) if base else "",  # 0 where there is none
        "xfer.suite": suite if phase.kind == "evaluate" else "",
        "xfer.control": next((p.settings.control for p in behind if p.settings.control != "none"), ""),
        "xfer.train_on": next((p.train_on for p in behind if p.train_on), ""),
        "xfer.target_shots": next((str(s.target_shots) for s in trained if s.target_shots), ""),
        "xfer.split": phase.split,
        "xfer.oracle": "true" if phase.oracle or any(s.select_by == "oracle" for s in trained) else "",
        "xfer.shots": str(phase.evaluation.shots)
        if phase.kind == "evaluate" and phase.evaluation.shots is not None
        else "",
        SEEN_TAG: ",".join(root.seen) if isinstance(root := phase.root(), BaseModel) else "",
        "xfer.data_languages": ",".join(dict.fromkeys(rows.language for rows in phase.rows)),
        DATA_TAG: _data(phase) if isinstance(phase.settings, TrainingSettings) else "",
    }
    root = phase.root()
    return (dict(root.marks) if isinstance(root, FinishedRun) else {}) | {
        name: value for name, value in tags.items() if value
    }


def _data(phase: Phase) -> str:
    """What a training reads, as the start of a digest: its tasks' declarations and the content of its rows.
    Rows of the embedded suite follow from the seed of the replicate, which is said elsewhere."""
    rows = [rows.spec() | ({"identity": ""} if rows.provider == "mini" else {}) for rows in phase.rows]
    return digest([phase.spec()["tasks"], rows])[:8] if rows else ""


def outside_totals(phase: Phase) -> bool:
    """Whether a suite's totals would mislead: prompted, trained on other data, or trained or selected with
    target-language labels.
    """
    outside = {"xfer.train_on", "xfer.target_shots", "xfer.oracle", "xfer.shots"}
    return bool(phase_tags(phase, "").keys() & outside)


def model_tags(phase: Phase) -> dict[str, str]:
    return {
        "xfer.phase": phase.kind,
        "xfer.tasks": ",".join(task.name for task in phase.tasks),
        "xfer.spec_hash": phase.spec_hash,
        "mlflow.note.content": plain(phase.title),  # its name is that of all models
    }


def outcome(store: Store, run_id: str, phase: Phase, result: TrainingResult) -> None:
    """The counters of a finished training and the figures of the selected checkpoint;
    its curves are logged already.
    """
    counters = {"train/optimizer_steps": result.steps, "train/selected_step": result.selected_step}
    chosen = {
        f"{name}/selected" if name.startswith(SELECTING) else name: value
        for name, value in result.metrics.items()
        if not name.startswith("train/")
    }
    store.metrics(run_id, {**counters, **chosen}, result.steps)
    if result.collapsed:
        store.tags(run_id, {"xfer.collapsed": "true"})


def evaluation(
    store: Store,
    run_id: str,
    phase: Phase,
    result: Evaluation,
    work: Path,
    model: str = "",
    more: Mapping[str, str] = {},  # noqa: B006 (read only)
) -> None:
    """Scores as metrics (the rest in the table), predictions in XTREME's format.

    Args:
        model: the logged model that was evaluated; it has each language's score too, on that language's
            data set.
        more: further columns of the table, what holds of every score.
    """
    import pandas as pd

    task = phase.tasks[0]
    tags = phase_tags(phase, "")
    marks = {"oracle": True} if "xfer.oracle" in tags else {}
    marks |= {"target_shots": int(tags["xfer.target_shots"])} if "xfer.target_shots" in tags else {}
    marks |= {"shots": int(tags["xfer.shots"])} if "xfer.shots" in tags else {}
    rows = [dict(row, run_id=run_id, **marks, **more) for row in result.rows]
    context = "dev" if phase.split else "eval"
    test_last = sorted(phase.rows, key=lambda rows: rows.split == "test")
    sets = {rows.language: known_as(rows) for rows in test_last}
    keys = {row["language"]: f"{context}/{task.name}/{row['language']}" for row in rows}
    store.metrics(
        run_id,
        {keys[row["language"]]: row["score"] for row in rows},
        model=model,
        datasets={keys[language]: known for language, known in sets.items() if language in keys},
    )
    store.metrics(run_id, {f"{context}/{task.name}": sum(row["score"] for row in rows) / len(rows)})
    store.table(run_id, pd.DataFrame(rows), TABLE)
    if result.buckets:
        store.table(run_id, pd.DataFrame(list(result.buckets)), BUCKETS)
    if phase.split:
        return  # predictions are for submissions, and those are of test splits
    folder = work / "predictions"
    for language, predicted in result.predictions.items():
        write_predictions(folder, task, language, predicted, result.ids[language] or None)
    store.artifact(run_id, folder / task.name, f"predictions/{task.name}")
    if result.examples:
        store.table(run_id, pd.DataFrame(list(result.examples)), EXAMPLES)
    if any(row.get("split") == "validation" for row in rows):
        store.tags(run_id, {"xfer.scored_on": "validation"})
    if phase.missing:
        store.tags(run_id, {"xfer.missing": ",".join(phase.missing)})


OWN = (
    *("xfer.kind", "xfer.spec_hash", "xfer.code_hash", "xfer.plan_hash"),
    *(front.VERDICT_TAG, links.PAGE_TAG),
)
"""Tags that a run which points to another does not have of it."""


def request(store: Store, opened: str, result: str, label: str) -> None:
    """Turn a run that ``mlflow run`` opened into a pointer at the run that holds the result."""
    run = store.get(result)
    copied = {name: value for name, value in run.tags.items() if name.startswith("xfer.") and name not in OWN}
    note = (
        f"Asked for what run [{run.name}]({store.link(result).splitlines()[-1]}) holds; nothing was trained "
        f"here."
    )
    store.start(
        "request",
        f"request: {label}",
        tags={**copied, RESULT_TAG: result, "mlflow.note.content": note},
        run_id=opened,
    )
    store.metrics(opened, {name: value for name, value in run.metrics.items() if name not in WORK})
    store.finish(opened, "FINISHED")


def read_table(store: Store, run_id: str) -> Sequence[Mapping[str, Any]]:
    """The per-language rows that an evaluate run logged."""
    rows = score_table(store, store.get(run_id))
    if rows is None:
        raise XferError(f"Run {run_id} has no {TABLE}.", "Evaluate it again with reuse=never.")
    return rows
