"""Results of many runs as one tidy frame, from one search.

Every finished run of the program is listed once (in a SQLite file without MLflow, which takes a tenth of the
time); which evaluations belong to the runs that were asked for, and what they were trained on, is worked out
from lineage tags in memory. Only the tables of those evaluations are then read (in parallel).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from mlflow_xfer.errors import XferError
from mlflow_xfer.tracking import runs as runs_module
from mlflow_xfer.tracking.belonging import (
    chain_of,
    facts_of,
    in_replicates,
    is_evaluation,
    runs_below,
)
from mlflow_xfer.tracking.glance import beside
from mlflow_xfer.tracking.references import run_of
from mlflow_xfer.tracking.runs import RunView
from mlflow_xfer.tracking.score_tables import score_table
from mlflow_xfer.tracking.session import Session

if TYPE_CHECKING:
    import pandas as pd

SCHEMA_TAG = "xfer.schema"
SAME_TASK = "same_task"
"""The column that names intermediate tasks that are the target's own; absent or empty otherwise."""
BASE_SEEN = "base_seen"
"""The column that says what of a target's kind the base's makers trained on; absent or empty otherwise."""
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


def results(
    store: Session, asked: Sequence[str] = (), *, filter: str = "", details: bool = True
) -> pd.DataFrame:
    """Per-language scores of the evaluations behind runs, in the columns ``COLUMNS``.

    Args:
        asked: run ids, ``runs:/…`` or run names of studies, conditions, transfers, requests, trials or
            evaluations; none = every evaluation of the store's experiment, and those that its runs took over
            from others.
        filter: further MLflow filter on the evaluation runs (``"tags.`xfer.suite` = 'mini'"``).
        details: also read each evaluation's table (intervals, n, chance); without it, scores come from the
            search alone.

    Returns:
        One row per condition, task, language, base seed and seed. ``condition``: the intermediate tasks
        joined by ``+``, ``none`` without, and what else tells it apart in brackets; in a study its name
        there, and ``against`` the one that it is compared with. ``protocol``: how
        checkpoints were selected, shots, training set.

    Raises:
        XferError: an unknown run, a filter that MLflow does not accept, or no evaluation at all.
    """
    import pandas as pd

    every = _every(store)
    named = [_named(store, every, name) for name in asked] if asked else _own(every, store)
    below = runs_below(every, named)
    chosen = [run for run in below if is_evaluation(run)]
    if filter:
        accepted = {run.run_id for run in _finished(store, filter)}
        chosen = [run for run in chosen if run.run_id in accepted]
    if not chosen:
        raise XferError(
            "No finished evaluation belongs to these runs."
            if asked
            else f"There is no finished evaluation in the experiment{_name(store)}.",
            _elsewhere(store, every)
            or "Evaluate first (mlflow-xfer transfer …), or name other runs, or another experiment with "
            "MLFLOW_EXPERIMENT_NAME.",
        )
    tables = _tables(store, chosen) if details else [None] * len(chosen)
    scores = {run.run_id: table or _from_metrics(run) for run, table in zip(chosen, tables, strict=True)}
    entries = in_replicates({run.run_id: facts_of(run, every) for run in chosen}, below)
    frame = pd.DataFrame([{**entry, **row} for run_id, entry in entries for row in scores[run_id]])
    # a transfer of a study and one of its own may stand on the same evaluation, under the same name
    frame = frame.drop_duplicates(["condition", "task", "language", "base_seed", "seed", "run_id"])
    first = [c for c in COLUMNS if c in frame]
    return frame.loc[:, [*first, *(c for c in frame if c not in first)]]


def scores_of(store: Session, transfers: Mapping[str, Sequence[str]]) -> pd.DataFrame:
    """Per-language scores of named conditions, in the columns of :func:`results`, from the tables of their
    finished transfers.

    Args:
        transfers: the transfer runs of each condition, by its name.
    """
    import pandas as pd

    runs = [(name, store.get(run_id)) for name, of in transfers.items() for run_id in of]
    tables = _tables(store, [run for _, run in runs])
    rows = [
        {
            **row,
            "condition": name,
            "seed": _seed(run, "xfer.seed"),
            "base_seed": _seed(run, "xfer.base_seed"),
            "suite": run.tags.get("xfer.suite", ""),
            "base_model": run.tags.get("xfer.base_model", ""),
            "run_id": run.run_id,
        }
        for (name, run), table in zip(runs, tables, strict=True)
        for row in table or ()
    ]
    frame = pd.DataFrame(rows)
    first = [c for c in COLUMNS if c in frame]
    return frame.loc[:, [*first, *(c for c in frame if c not in first)]]


def _seed(run: RunView, tag: str) -> int | str:
    text = run.tags.get(tag, "0")
    return int(text) if text.lstrip("-").isdigit() else text


def _every(store: Session) -> dict[str, RunView]:
    """All finished runs of the program that can be read."""
    file = beside(store)
    found = (
        file.finished(SCHEMA_TAG)
        if file
        else _finished(store, f"tags.`{SCHEMA_TAG}` LIKE '%' AND attributes.status = 'FINISHED'")
    )
    return {run.run_id: run for run in found if run.tags[SCHEMA_TAG] in runs_module.READABLE}


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


def _name(store: Session) -> str:
    return f" {store.client.get_experiment(store.experiment_id).name!r}" if store.experiment_id else ""


def _elsewhere(store: Session, every: Mapping[str, RunView]) -> str:
    """Which experiments hold evaluations."""
    found = {run.experiment_id for run in every.values() if is_evaluation(run)} - {store.experiment_id}
    names = [store.client.get_experiment(one).name for one in sorted(found)]
    return (
        f"There are some in: {', '.join(names)}. Set MLFLOW_EXPERIMENT_NAME, or name runs." if names else ""
    )


def _own(every: Mapping[str, RunView], store: Session) -> list[RunView]:
    return [run for run in every.values() if run.experiment_id == store.experiment_id]


def _tables(store: Session, chosen: Sequence[RunView]) -> list[list[Mapping[str, Any]] | None]:
    def read(run: RunView) -> list[Mapping[str, Any]] | None:
        rows = score_table(store, run)
        if rows is None:
            return None
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

    every = _chains(store, run_ids)
    used = {
        one.run_id: one for run_id in run_ids if run_id in every for one in chain_of(every[run_id], every)
    }
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


def _chains(store: Session, run_ids: Sequence[str]) -> dict[str, RunView]:
    """These runs and the finished phases that they were made from, each generation by one search."""
    every: dict[str, RunView] = {}
    asked, wanted = set(run_ids), list(run_ids)
    while wanted:
        found = store.ask(lambda wanted=wanted: runs_module.of_ids(store.client, wanted))
        phases = [run for run in found if run.kind == "phase" and run.status == "FINISHED"]
        every |= {run.run_id: run for run in phases}
        wanted = list(dict.fromkeys(one for run in phases for one in run.inputs if one not in asked))
        asked |= set(wanted)
    return every
