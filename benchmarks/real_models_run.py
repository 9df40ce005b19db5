"""Runs a piece of ``real_models.py`` and keeps its rows: what is finished is not run again.

A cell (condition x target x seed) is one ``transfer``; its rows stand in ``real_models/PIECE.parquet`` as
soon as it is finished. A piece that is stopped goes on from the last state of the phase that it was in.
"""

from __future__ import annotations

import hashlib
import logging
import subprocess
import tempfile
import time
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
from real_models_data import Folder
from real_models_shapes import SHARED, Condition, Piece, Stage, Target

import mlflow_xfer
from mlflow_xfer.commands.running import opened
from mlflow_xfer.durable.files import whole_file
from mlflow_xfer.models.public import seen_by
from mlflow_xfer.phases.code import code_hash
from mlflow_xfer.phases.estimate import steps_of
from mlflow_xfer.phases.phase import Phase
from mlflow_xfer.phases.preview import Preview
from mlflow_xfer.tracking.results import BASE_SEEN, SAME_TASK, costs
from mlflow_xfer.tracking.store import Store

log = logging.getLogger("mlflow_xfer.real_models")

KEY = ["condition", "task", "language", "seed"]


@dataclass
class Lab:
    """Where pieces are run, and where their rows are kept.

    Args:
        model: the checkpoint that all starts from.
        base: its name on the hub, by which it is known what its makers trained it on.
        rows: the folder of the tables.
        only: targets that are run; empty: all.
        more: parameters that win over the declared ones; their rows say so by their spec hashes.
    """

    folder: Folder
    model: str
    rows: Path
    base: str = ""
    reuse: str = "any-code"
    only: Sequence[str] = ()
    more: dict[str, Any] = field(default_factory=dict)

    def params(self, stage: Stage, condition: Condition, target: Target, seed: int) -> dict[str, Any]:
        """The parameters of ``transfer`` for one cell."""
        asked = {**SHARED, **stage.settings, **condition.settings, **target.settings, **self.more}
        if target.rows:
            asked["target.max_train_examples"] = target.rows
        if condition.steps_of:
            asked["target.max_steps"] = self.steps(stage, condition.steps_of, target, seed)
        file = self.folder.task_file(condition.intermediate, seed)
        return {
            "model": self.model,
            "data": self.folder.data,
            "task_file": str(file) if file else None,
            "intermediate": condition.intermediate,
            "target": target.task,
            "languages": self.folder.languages(target),
            "max_eval_examples": target.tested,
            "seeds": seed,
            "reuse": self.reuse,
            "base_seen": seen_by(self.base) or "auto",
            **asked,
        }

    def phases(self, stage: Stage, condition: Condition, target: Target, seed: int) -> list[Phase]:
        """What a cell stands on, its evaluation last."""
        found = mlflow_xfer.plan(verb="transfer", **self.params(stage, condition, target, seed))
        assert isinstance(found, Preview), "as of all verbs but searches"
        return found.plan.phases

    def steps(self, stage: Stage, name: str, target: Target, seed: int) -> int:
        """Optimiser steps that a condition makes altogether."""
        condition = next(one for one in stage.conditions if one.name == name)
        trained = [phase for phase in self.phases(stage, condition, target, seed) if phase.kind != "evaluate"]
        return round(sum(steps_of(phase) for phase in trained))

    def table(self, piece: Piece) -> Path:
        return self.rows / f"{piece.name}.parquet"

    def kept(self, piece: Piece) -> pd.DataFrame:
        file = self.table(piece)
        return pd.read_parquet(file) if file.is_file() else pd.DataFrame()

    def has(self, piece: Piece, evaluation: Phase) -> bool:
        """Whether the table of a piece has the rows of this evaluation, made with code that may be taken."""
        kept = self.kept(piece)
        mine = kept[kept["spec"] == evaluation.spec_hash] if len(kept) else kept
        same = self.reuse == "any-code" or set(mine.get("code", ())) == {code_hash(evaluation)}
        return len(mine) > 0 and same and self.reuse != "never"

    @cached_property
    def commit(self) -> str:
        """The commit that is run; with ``+`` where the tree has changes."""
        said = subprocess.run(
            ["git", "describe", "--always", "--abbrev=12", "--dirty=+", "--exclude=*"],
            cwd=Path(__file__).parent, capture_output=True, text=True, check=False,
        )  # fmt: skip
        return said.stdout.strip()


def run(lab: Lab, piece: Piece) -> int:
    """Run what of a piece is not in its table; says how many phases were trained or evaluated."""
    made = 0
    for condition, target in piece.cells():
        if lab.only and target.name not in lab.only:
            continue
        if lab.has(piece, lab.phases(piece.stage, condition, target, piece.seed)[-1]):
            continue
        log.info("%s: %s, %s", piece.name, condition.name, target.name)
        begun = time.process_time()
        found = mlflow_xfer.transfer(**lab.params(piece.stage, condition, target, piece.seed))
        made, cpu = made + len(found.made), time.process_time() - begun
        rows = pd.DataFrame(_rows(lab, piece, condition, target, found.run_id))
        _keep(lab, piece, rows.assign(cpu=cpu))
    return made


def _keep(lab: Lab, piece: Piece, rows: pd.DataFrame) -> None:
    """The rows in the piece's table, in the place of what it said of the same cells."""
    kept = lab.kept(piece)
    if len(kept):
        cells = rows[["condition", "task"]].apply(tuple, axis=1)
        kept = kept[~kept[["condition", "task"]].apply(tuple, axis=1).isin(set(cells))]
    table = pd.concat([kept, rows]) if len(kept) else rows
    lab.rows.mkdir(parents=True, exist_ok=True)
    with whole_file(lab.table(piece)) as file:
        table.sort_values(KEY, kind="stable").to_parquet(file, index=False)


def _rows(
    lab: Lab, piece: Piece, condition: Condition, target: Target, run_id: str
) -> Iterator[dict[str, Any]]:
    """One row for each language of a finished cell."""
    scores = mlflow_xfer.results(run_id)
    with opened(probe=False, make=False) as store:
        (evaluation,) = set(scores["run_id"])
        run = store.get(evaluation)
        behind = costs(store, [evaluation])
        digests = _digests(store, run.artifact_uri, target.task)
        dev = _dev(store, behind)
    for row in scores.to_dict("records"):
        yield {
            "stage": piece.stage.name,
            "condition": condition.name,
            "task": target.name,
            "language": row["language"],
            "seed": piece.seed,
            "metric": row["metric"],
            "score": row["score"],
            "n": int(row["n"]),
            "chance": row.get("chance"),
            "majority": row.get("majority"),
            "dev": dev,
            "protocol": row.get("protocol", ""),
            "marks": _marks(row),
            "tokens": behind["tokens"].sum(),
            "steps": behind["steps"].sum(),
            "seconds": behind["seconds"].sum(),
            "spec": run.tags["xfer.spec_hash"],
            "code": run.tags["xfer.code_hash"],
            "predictions": digests[row["language"]],
            "base": run.tags["xfer.base_identity"],
            "declared": piece.stage.hash,
            "commit": lab.commit,
        }


def _marks(row: Mapping[Hashable, Any]) -> str:
    """What a reader must know of a score before he counts it."""
    said = {SAME_TASK: "same task", BASE_SEEN: "base-seen"}
    return ", ".join(words for name, words in said.items() if row.get(name))


def _digests(store: Store, uri: str, task: str) -> dict[str, str]:
    """sha256 of each language's predictions."""
    from mlflow.artifacts import download_artifacts

    with tempfile.TemporaryDirectory() as folder:
        found = download_artifacts(f"{uri}/predictions/{task}", dst_path=folder, tracking_uri=store.uri)
        return {
            file.stem.removeprefix("test-"): hashlib.sha256(file.read_bytes()).hexdigest()
            for file in Path(found).iterdir()
        }


def _dev(store: Store, behind: pd.DataFrame) -> float | None:
    """English dev score of the target's selected checkpoint; None for a target that is not trained."""
    for run_id in behind.loc[behind["phase"] == "target", "run_id"]:
        for name, value in store.get(run_id).metrics.items():
            if name.startswith("dev/") and name.endswith("/selected"):
                return value
    return None
