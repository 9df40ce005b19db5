"""The page of ``real_models.py`` in MLflow: a run with the page, its figures and a report on each target."""

from __future__ import annotations

import tempfile
from pathlib import Path

from real_models_found import SCORES, Found
from real_models_shapes import BASELINE, Stage

from mlflow_xfer.commands.running import opened
from mlflow_xfer.phases import endings
from mlflow_xfer.reporting import make_report


def track(found: Found, page: Path, folder: Path) -> str:
    """Log the page that was written and what stands beside it; says where to see it."""
    title = page.read_text("utf-8").splitlines()[0].removeprefix("# ")
    tags = {"xfer.study": "real models", "mlflow.note.content": f"**{title}**\n\nArtifact `{page.name}`."}
    with opened() as store:
        run_id = store.start("study", "real models", tags=tags)
        with endings.ending(store, run_id), tempfile.TemporaryDirectory() as reports:
            for stage in found.stages:
                for target in stage.targets:
                    _report(found, stage, target.name, Path(reports))
            store.artifact(run_id, page)
            store.artifact(run_id, folder, folder.name)
            store.artifact(run_id, reports, "reports")
        store.flush()
        return store.link(run_id)


def _report(found: Found, stage: Stage, task: str, folder: Path) -> None:
    """The product's own report on one target, on the seeds that all its conditions have."""
    rows = found.of(stage, task)
    names = list(dict.fromkeys(rows["condition"]))
    blocks = found.blocks(stage, task, names)
    if BASELINE in names and len(blocks) > 1:
        shared = rows.loc[rows["seed"].isin(blocks[0].seeds), SCORES]
        make_report(shared, folder / f"{stage.name}-{task}", f"{stage.question} ({task})", baseline=BASELINE)
