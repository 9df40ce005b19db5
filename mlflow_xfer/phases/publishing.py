"""A trained checkpoint for others: a folder as model hubs take it, with a card and its scores."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mlflow_xfer.durable.files import whole_folder, write_json
from mlflow_xfer.phases import whole
from mlflow_xfer.phases.prediction import ABOUT, behind, trained
from mlflow_xfer.phases.record import read_table
from mlflow_xfer.phases.remarks import remarks
from mlflow_xfer.phases.submit import selected_dev
from mlflow_xfer.reporting.model_card import CARD, SCORES, Card, trained_on
from mlflow_xfer.tracking import checkpoints

if TYPE_CHECKING:
    from mlflow_xfer.tracking.runs import RunView
    from mlflow_xfer.tracking.store import Store


def best(store: Store, run: RunView, task: str | None) -> RunView:
    """The training behind ``run``; of several replicates the one with the best English dev score."""
    return max(trained(store, run, task), key=lambda one: selected_dev(one.metrics))


def evaluations(store: Store, checkpoint: RunView, named: RunView) -> list[RunView]:
    """The finished evaluations of a training on test sets, one for each task: those behind the run that was
    named, else the newest."""
    found = store.search(
        {"xfer.phase": "evaluate", "xfer.input_run_ids": checkpoint.run_id}, status="FINISHED"
    )
    mine = {named.run_id} | (set() if named.kind == "phase" else {run.run_id for run in behind(store, named)})
    found.sort(key=lambda run: run.run_id in mine)  # stable: the newest last, before them only older ones
    by_task = {run.tags.get("xfer.target", ""): run for run in found if "xfer.split" not in run.tags}
    return list(by_task.values())


def card_of(
    store: Store, checkpoint: RunView, evaluated: Sequence[RunView], name: str, verdict: str, folder: Path
) -> Card:
    """The card of a training's checkpoint, of what its runs say.

    Args:
        folder: where its files lie.
    """
    tables = [(run, read_table(store, run.run_id)) for run in evaluated]
    config = json.loads((folder / "config.json").read_text("utf-8"))
    said: Iterator[str] = (remark for run, rows in tables for remark in remarks(run, rows))
    return Card(
        name,
        checkpoint.tags.get("xfer.base_model", ""),
        trained_on(checkpoint.tags),
        verdict,
        [row for _, rows in tables for row in rows],
        list(dict.fromkeys(said)),
        next(iter(config.get("architectures") or ()), ""),
    )


def write(store: Store, checkpoint: RunView, card: Card, out: Path) -> None:
    """The checkpoint's files, its card and its scores as the new folder ``out``."""
    with whole_folder(out) as folder:
        checkpoints.export(whole.at_hand(store, checkpoint.run_id), folder)
        (folder / CARD).write_text(card.text(), encoding="utf-8")
        if length := checkpoint.params.get("max_seq_length"):
            write_json(folder / ABOUT, {"max_seq_length": int(length)})
        if card.rows:
            scores = json.dumps(card.scores(), indent=2, ensure_ascii=False)
            (folder / SCORES).write_text(f"{scores}\n", encoding="utf-8")
