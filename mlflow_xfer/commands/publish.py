"""The verb ``publish``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mlflow_xfer.commands.result import Published
from mlflow_xfer.commands.running import opened
from mlflow_xfer.conditions.comparison import Place, place_of, repeats
from mlflow_xfer.durable.files import check_new_folder
from mlflow_xfer.errors import XferError
from mlflow_xfer.params import questions
from mlflow_xfer.phases import publishing, record
from mlflow_xfer.reporting.by_task import DEMONSTRATION, bracketed
from mlflow_xfer.reporting.columns import Summary, of_metrics, points
from mlflow_xfer.tracking import checkpoints, job
from mlflow_xfer.tracking.belonging import AGAINST_TAG
from mlflow_xfer.tracking.front import VERDICT_TAG
from mlflow_xfer.tracking.references import run_of, version_tags
from mlflow_xfer.tracking.registering import register

if TYPE_CHECKING:
    from mlflow_xfer.tracking.runs import RunView

EACH = "delta/"
"""What the metrics of a condition begin with that hold its difference on each target."""


def publish(params: questions.Publish) -> Published:
    """Raises :class:`XferError` before anything is written, if there is no such model or no place for it."""
    out = Path(params.out) if params.out else None
    if out is None and params.register is None:
        raise XferError(
            "publish has nowhere to publish to.",
            "Give a folder (--out FOLDER), a name in MLflow's registry (--register NAME), or both.",
        )
    if out is not None:
        check_new_folder("out", out)
    with opened(probe=False, make=False) as store:
        named = store.answer(run_of(store, params.model))
        checkpoint = publishing.best(store, named, params.task)
        folder = checkpoints.fetch(store, checkpoint.run_id)
        evaluated = publishing.evaluations(store, checkpoint, named)
        name = params.register or (out.name if out else "")
        places = [place_of(store.get(one)) for one in named.inputs] if named.kind == "condition" else []
        said = version_tags(store, params.model).get(VERDICT_TAG) or _verdict(named, places)
        card = publishing.card_of(store, checkpoint, evaluated, name, said, folder)
        done = [said, card.about]
        if out is not None:
            publishing.write(store, checkpoint, card, out)
            done.append(f"Written to {out}; to upload it: hf upload ORGANISATION/{name} {out}")
        version = ""
        if params.register is not None:
            tags = {
                name: checkpoint.tags[name]
                for name in ("xfer.tasks", "xfer.target")
                if name in checkpoint.tags
            }
            version = register(
                store,
                checkpoint.run_id,
                params.register,
                {**tags, VERDICT_TAG: said},
                card.description(),
                params.alias or "",
            )
            done.append(f"Registered: {version}" + (f", alias {params.alias}" if params.alias else ""))
        if run_id := job.take(store):
            record.request(store, run_id, checkpoint.run_id, f"publish {name}")
        tables = [card.scores_table()] if card.rows else []
        summary = Summary(checkpoint.name, tables, [*done, *card.remarks])
        link = store.link(checkpoint.run_id)
        return Published(checkpoint.run_id, params.out or "", version, link, summary)


def _verdict(named: RunView, places: Sequence[Place]) -> str:
    """What the run that was named says of itself beside others: of several targets their average, which is
    not what one of them gained.

    Args:
        places: of its replicates.
    """
    metrics = named.metrics
    if named.kind != "condition" or "selected/delta" not in metrics:
        return "It was compared with no other training."
    bases, seeds = (len(set(of)) for of in zip(*places, strict=True))
    over = f"{seeds} seeds" if bases == 1 else f"{bases} bases with {seeds} seed{'s' * (seeds > 1)} each"
    low, high = of_metrics(metrics, "selected/delta") or (float("nan"),) * 2
    against = named.tags.get(AGAINST_TAG) or "the same without intermediate task"
    targets = [name.removeprefix(EACH) for name in metrics if name.startswith(EACH)]
    each = ", ".join(f"{target} {points(metrics[EACH + target], True)}" for target in targets)
    on = f" on average over {len(targets)} targets ({each})" if len(targets) > 1 else ""
    few = " A demonstration: few seeds decide little." if repeats(places) < DEMONSTRATION else ""
    return (
        f"{named.name}: {bracketed(metrics['selected/delta'], low, high)} points against {against}{on}, over "
        f"{over}, of which this is the one with the best English dev score.{few}"
    )
