"""Results of many runs as one tidy frame, from one search.

Every finished run of the program is listed once; which evaluations belong to the runs that were asked for,
and what they were trained on, is worked out from lineage tags in memory. Only the tables of those evaluations
are then read (in parallel).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from mlflow_xfer.errors import XferError
from mlflow_xfer.tracking import runs as runs_module
from mlflow_xfer.tracking.references import run_of
from mlflow_xfer.tracking.runs import RunView
from mlflow_xfer.tracking.session import Session

if TYPE_CHECKING:
    import pandas as pd

TABLE = "results/per_language.json"
COLUMNS = (
    "condition",
    "task",
    "language",
    "base_seed",
    "seed",
    "score",
    "low",
    "high",
    "n",
    "metric",
    "chance",
    "majority",
    "suite",
    "protocol",
    "base_model",
    "run_id",
)
READERS = 8
# What tells conditions of the same intermediate tasks apart, with the value that goes without saying.
TOLD_APART = {
    "combine": ("joint",),
    "merge_method": (),
    "merge_weight": (),
    "merge_density": (),
    "mixing": ("proportional",),
    "mlm_share": ("0.0", "0"),
    "learning_rate": (),
    "num_train_epochs": (),
    "max_steps": (),
    "train_batch_size": (),
    "max_seq_length": (),
}


def results(
    store: Session, asked: Sequence[str] = (), *, filter: str = "", details: bool = True
) -> pd.DataFrame:
    """Per-language scores of the evaluations behind runs, in the columns ``COLUMNS``.

    Args:
        asked: run ids, ``runs:/…`` or run names of studies, conditions, transfers, requests, trials or
            evaluations; none = every evaluation of the store's experiment.
        filter: further MLflow filter on the evaluation runs (``"tags.`xfer.suite` = 'mini'"``).
        details: also read each evaluation's table (intervals, n, chance); without it, scores come from the
            search alone.

    Returns:
        One row per condition, task, language, base seed and seed. ``condition``: the intermediate tasks
        joined by ``+``, ``none`` without, and what else tells it apart in brackets. ``protocol``: how
        checkpoints were selected, shots, training set.

    Raises:
        XferError: an unknown run, a filter that MLflow does not accept, or no evaluation at all.
    """
    import pandas as pd

    every = {
        run.run_id: run
        for run in _finished(store, "tags.`xfer.schema` = '1' AND attributes.status = 'FINISHED'")
    }
    below = _below(every, [_named(store, every, name) for name in asked]) if asked else _own(every, store)
    chosen = [run for run in below if _is_evaluation(run)]
    if filter:
        accepted = {run.run_id for run in _finished(store, filter)}
        chosen = [run for run in chosen if run.run_id in accepted]
    if not chosen:
        raise XferError(
            "No finished evaluation belongs to these runs."
            if asked
            else "There is no finished evaluation in this experiment.",
            "Evaluate first (mlflow-xfer transfer …), or name other runs.",
        )
    tables = _tables(store, chosen) if details else [None] * len(chosen)
    facts = [_facts(run, every) for run in chosen]
    _tell_apart(facts)
    replicates = _replicates(below)
    rows = [
        {**fact, **replicate, **row}
        for run, fact, table in zip(chosen, facts, tables, strict=True)
        for replicate in replicates.get(run.run_id, [{}])
        for row in (table or _from_metrics(run))
    ]
    frame = pd.DataFrame(rows).drop(columns="settings", errors="ignore")
    first = [c for c in COLUMNS if c in frame]
    return frame.loc[:, [*first, *(c for c in frame if c not in first)]]


def _finished(store: Session, condition: str) -> list[RunView]:
    from mlflow.exceptions import MlflowException

    try:
        return store.ask(lambda: runs_module.search(store.client, condition))
    except MlflowException as error:
        raise XferError(
            f"MLflow does not accept the filter {condition!r}: {error.message}", "See MLflow's search syntax."
        ) from error


def _named(store: Session, every: Mapping[str, RunView], name: str) -> RunView:
    by_name = [run for run in every.values() if run.name == name]
    if len(by_name) > 1:
        listed = ", ".join(run.run_id for run in by_name[:5])
        raise XferError(f"{len(by_name)} runs are called {name!r}: {listed}", "Name it by its run id.")
    run_id = by_name[0].run_id if by_name else run_of(store, name)
    if run_id not in every:
        raise XferError(
            f"Run {name!r} is not a finished run of mlflow-xfer.",
            "Wait until it has finished, or name another.",
        )
    return every[run_id]


def _own(every: Mapping[str, RunView], store: Session) -> list[RunView]:
    return [run for run in every.values() if run.experiment_id == store.experiment_id]


def _is_evaluation(run: RunView) -> bool:
    return (
        run.kind == "phase" and run.tags.get("xfer.phase") == "evaluate" and "xfer.split" not in run.tags
    )  # a search's evaluations on dev splits are no results


def _below(every: Mapping[str, RunView], asked: Sequence[RunView]) -> list[RunView]:
    """These runs and what lies below them, down to evaluations:
    launched by them, or taken over from earlier runs.
    """
    children: dict[str, list[str]] = {}
    for run in every.values():
        if run.parent:
            children.setdefault(run.parent, []).append(run.run_id)
    found, seen, waiting = {}, set(), [run.run_id for run in asked]
    while waiting:
        run = every.get(waiting.pop())
        if run is None or run.run_id in seen:
            continue
        seen.add(run.run_id)
        found[run.run_id] = run
        if run.kind != "phase":  # a phase's inputs are what it was trained from: not its results
            pointed = run.tags.get("xfer.result_run_id")
            waiting += [*children.get(run.run_id, ()), *run.inputs, *([pointed] if pointed else [])]
    return sorted(found.values(), key=lambda run: (run.start_time, run.run_id))


def _replicates(below: Sequence[RunView]) -> dict[str, list[dict[str, Any]]]:
    """By evaluation: the seed and base seed of every transfer that it belongs to.

    An evaluation without training of its own (retrieval straight from the base model) is one run for all
    seeds: its scores then stand in every replicate, where they vary as much as they do, not at all.
    """
    found: dict[str, list[dict[str, Any]]] = {}
    for run in below:
        if run.kind == "transfer" and run.tags.get("xfer.seed"):
            replicate = {
                "seed": _number(run.tags["xfer.seed"]),
                "base_seed": _number(run.tags.get("xfer.base_seed", "0")),
            }
            for made in run.inputs:
                if replicate not in found.setdefault(made, []):
                    found[made].append(replicate)
    return found


def _chain(run: RunView, every: Mapping[str, RunView]) -> list[RunView]:
    """The run and the phases it was made from, nearest first; a merge was made from several."""
    chain = {run.run_id: run}
    waiting = [run]
    while waiting:
        for before in waiting.pop(0).inputs:
            if before in every and before not in chain:
                chain[before] = every[before]
                waiting.append(every[before])
    return list(chain.values())


def _facts(run: RunView, every: Mapping[str, RunView]) -> dict[str, Any]:
    chain, tags = _chain(run, every), run.tags
    before = [one for one in chain if one.tags.get("xfer.phase") == "intermediate"]
    target = next((one for one in chain if one.tags.get("xfer.phase") == "target"), None)
    select = target.params.get("select_by", "") if target else ""
    parts = [f"select_by={select}"] if select else []
    parts += (
        [f"shots={tags['xfer.target_shots']}"] if tags.get("xfer.target_shots", "0") not in ("", "0") else []
    )
    parts += [f"train_on={tags['xfer.train_on']}"] if tags.get("xfer.train_on") else []
    control = (
        f" (control={tags['xfer.control']})" if tags.get("xfer.control", "none") not in ("", "none") else ""
    )
    seed = tags.get("xfer.seed", "")
    return {
        "condition": (tags.get("xfer.tasks", "").replace(",", "+") or "none") + control,
        "base_seed": _number(tags.get("xfer.base_seed", "0")),
        "seed": _number(seed) if seed else 0,
        "suite": tags.get("xfer.suite", ""),
        "protocol": " ".join(parts),
        "base_model": tags.get("xfer.base_model", ""),
        "run_id": run.run_id,
        "settings": {"combine": tags.get("xfer.combine", "joint")}
        | {k: v for one in before for k, v in one.params.items() if k in TOLD_APART},
    }


def _number(text: str) -> int | str:
    return int(text) if text.lstrip("-").isdigit() else text


def _tell_apart(facts: list[dict[str, Any]]) -> None:
    """Conditions of one name whose intermediate phases were set differently get what differs into the
    name.
    """
    groups: dict[str, list[dict[str, Any]]] = {}
    for fact in facts:
        groups.setdefault(fact["condition"], []).append(fact)
    for name, members in groups.items():
        differ = [k for k in TOLD_APART if len({str(m["settings"].get(k, "")) for m in members}) > 1]
        for member in members:
            said = [
                f"{k}={member['settings'][k]}"
                for k in differ
                if k in member["settings"] and member["settings"][k] not in TOLD_APART[k]
            ]
            if said:
                member["condition"] = f"{name} ({', '.join(said)})"


def _tables(store: Session, chosen: Sequence[RunView]) -> list[list[Mapping[str, Any]] | None]:
    from mlflow_xfer.tracking import artifacts

    def read(run: RunView) -> list[Mapping[str, Any]] | None:
        content = artifacts.read(store, run.artifact_uri, TABLE)
        if content is None:
            return None
        table = json.loads(content)
        rows = [dict(zip(table["columns"], row, strict=True)) for row in table["data"]]
        return [{k: v for k, v in row.items() if k != "run_id"} for row in rows]

    return _in_parallel(read, chosen)


def _in_parallel(function: Callable[[RunView], Any], chosen: Sequence[RunView]) -> list[Any]:
    with ThreadPoolExecutor(READERS) as pool:
        return list(pool.map(function, chosen))


def _from_metrics(run: RunView) -> list[dict[str, Any]]:
    """Scores by the metrics ``eval/<task>/<language>``, for runs whose table is gone."""
    keys = [(name.split("/"), value) for name, value in run.metrics.items() if name.startswith("eval/")]
    return [
        {"task": parts[1], "language": parts[2], "score": value} for parts, value in keys if len(parts) == 3
    ]


def costs(store: Session, run_ids: Sequence[str]) -> pd.DataFrame:
    """What training behind evaluations cost:
    columns run_id, phase, name, steps, tokens, seconds; each phase once.
    """
    import pandas as pd

    every = {
        run.run_id: run
        for run in _finished(store, "tags.`xfer.kind` = 'phase' AND attributes.status = 'FINISHED'")
    }
    used = {one.run_id: one for run_id in run_ids if run_id in every for one in _chain(every[run_id], every)}
    rows = [
        {
            "run_id": run.run_id,
            "phase": run.tags.get("xfer.phase", ""),
            "name": run.name,
            "steps": run.metrics.get("train/optimizer_steps"),
            "tokens": run.metrics.get("train/tokens"),
            "seconds": (run.end_time - run.start_time) / 1000 if run.end_time and run.start_time else None,
        }
        for run in used.values()
    ]
    return pd.DataFrame(rows)
