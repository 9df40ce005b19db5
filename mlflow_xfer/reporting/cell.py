"""One cell of a table of results: all that a finished run consists of, by which another machine repeats it
and sees whether it got the same.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlflow_xfer.errors import XferError
from mlflow_xfer.tracking import artifacts, published, versions
from mlflow_xfer.tracking.belonging import is_evaluation
from mlflow_xfer.tracking.checkpoints import DROPPED
from mlflow_xfer.tracking.score_tables import score_table

if TYPE_CHECKING:
    from mlflow_xfer.tracking.runs import RunView
    from mlflow_xfer.tracking.store import Store

SPEC = "spec.json"
SHORT = 12  # characters of a hash that name a folder
DEV = "/selected"
"""What the metrics of a selected checkpoint end with: they stand for scores where nothing was evaluated."""


@dataclass(frozen=True)
class Cell:
    """What a run consists of.

    Attributes:
        phases: each with ``run``, ``phase``, ``name``, ``spec_hash``, ``code_hash``, ``versions``, ``spec``
            and ``checkpoint`` (files and their digests; empty where there are none, or not any more).
        scores: task, language, score and ``spec_hash`` of the evaluation (of a training that nothing
            evaluated its dev scores, language ``dev``).
        predictions: content by ``<start of the evaluation's hash>/<task>/<file>``.
    """

    phases: Sequence[Mapping[str, Any]]
    scores: Sequence[Mapping[str, Any]]
    predictions: Mapping[str, bytes]

    @property
    def data(self) -> list[dict[str, str]]:
        """The rows that were read, each once, with the digest of their content."""
        rows = {
            json.dumps(one, sort_keys=True): one
            for phase in self.phases
            for name in ("rows", "excludes", "selection")
            for rows in phase["spec"].get(name, ())
            for one in [{k: rows[k] for k in ("task", "split", "language", "identity")}]
        }
        return list(rows.values())

    @property
    def digests(self) -> dict[str, Any]:
        """sha256 of all that went in and came out."""
        return {
            "inputs": sorted({one for phase in self.phases for one in phase["spec"]["inputs"]}),
            "data": self.data,
            "checkpoints": {p["spec_hash"]: p["checkpoint"] for p in self.phases if p["checkpoint"]},
            "predictions": {name: sha256(content) for name, content in self.predictions.items()},
        }


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def cell_of(store: Store, run: RunView, made: RunView) -> Cell:
    """The cell of ``run``, which the command of ``made`` made.

    Raises:
        XferError: runs that it stands on are gone.
    """
    every = _closure(store, made)
    needed = _closure(store, run)
    chosen = [one for one in every.values() if is_evaluation(one) and run.run_id in _closure(store, one)]
    evaluations = chosen if run.kind == "phase" else [one for one in needed.values() if is_evaluation(one)]
    for one in evaluations:
        needed |= _closure(store, one)
    phases = [one for one in needed.values() if one.kind == "phase"]
    phases.sort(key=lambda one: (one.start_time, one.run_id))
    scores = [row for one in evaluations for row in _scores(store, one)]
    return Cell(
        [_phase(store, one) for one in phases],
        scores or (_dev(run) if run.kind == "phase" else []),
        {name: content for one in evaluations for name, content in _predictions(store, one).items()},
    )


def _closure(store: Store, run: RunView) -> dict[str, RunView]:
    """The run and all that it stands on, by id."""
    found: dict[str, RunView] = {}
    waiting = [run]
    while waiting:
        one = waiting.pop()
        if one.run_id not in found:
            found[one.run_id] = one
            waiting += [store.get(before) for before in one.inputs]
    return found


def _phase(store: Store, run: RunView) -> dict[str, Any]:
    spec = artifacts.read_json(store, run.artifact_uri, SPEC)
    if spec is None:
        raise XferError(f"{run.name} ({run.run_id}) has no {SPEC}.", "Make it again with reuse=never.")
    return {
        "run": run.run_id,
        "phase": run.tags.get("xfer.phase", ""),
        "name": run.name,
        "spec_hash": run.tags["xfer.spec_hash"],
        "code_hash": run.tags["xfer.code_hash"],
        "versions": {k: v for k, v in run.tags.items() if k.startswith(versions.PREFIX)},
        "spec": spec,
        "checkpoint": {} if run.tags.get(DROPPED) else _checkpoint(store, run),
    }


def _checkpoint(store: Store, run: RunView) -> dict[str, str]:
    model = published.find(store, run.run_id) if run.tags.get("xfer.phase") != "evaluate" else None
    try:
        return (
            {name: one.sha256 for name, one in published.manifest_of(store, model).items()} if model else {}
        )
    except ValueError as error:
        raise XferError(
            f"The checkpoint of {run.name} is damaged: {error}.", "Make it again with reuse=never."
        ) from None


def _scores(store: Store, run: RunView) -> list[dict[str, Any]]:
    rows = score_table(store, run) or []
    spec_hash = run.tags["xfer.spec_hash"]
    return [{k: row[k] for k in ("task", "language", "score")} | {"spec_hash": spec_hash} for row in rows]


def _dev(run: RunView) -> list[dict[str, Any]]:
    return [
        {"task": name, "language": "dev", "score": value, "spec_hash": run.tags["xfer.spec_hash"]}
        for name, value in sorted(run.metrics.items())
        if name.startswith("dev/") and name.endswith(DEV)
    ]


def _predictions(store: Store, run: RunView) -> dict[str, bytes]:
    short = run.tags["xfer.spec_hash"][:SHORT]
    found = artifacts.files_under(store, run.artifact_uri, "predictions")
    return {f"{short}/{name.removeprefix('predictions/')}": content for name, content in found.items()}
