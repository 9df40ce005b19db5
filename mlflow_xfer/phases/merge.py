"""Runs a merge: the checkpoints of its inputs become one. Nothing is trained and no data are read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mlflow_xfer.durable.manifest import sealed_folder
from mlflow_xfer.models.merge import WITH_BASE, merge_checkpoints
from mlflow_xfer.params.settings import MergeSettings
from mlflow_xfer.phases.phase import BaseModel, Phase
from mlflow_xfer.phases.start import starting_point
from mlflow_xfer.training.parts import TrainingResult

CHECKPOINT, SCRATCH = "checkpoint", "scratch"


def merge_phase(phase: Phase, starts: Sequence[Path | BaseModel], work: Path) -> TrainingResult:
    """Merge the checkpoints at ``starts`` in the folder ``work``:
    all of them, or all after what they began as.
    """
    settings = phase.settings
    assert isinstance(settings, MergeSettings), "what a merge has"
    method = settings.merge_method
    base = starting_point(phase, starts[0], work / "start") if method in WITH_BASE else None
    models = starts[1:] if method in WITH_BASE else starts
    directories = [path for path in models if isinstance(path, Path)]
    assert len(directories) == len(models), "what is merged was trained"
    options: dict[str, Any] = {"weights": [settings.merge_weight] * len(directories)} if base else {}
    if method == "ties":
        options |= {"density": settings.merge_density}
    with sealed_folder(work / CHECKPOINT) as out:
        merge_checkpoints(directories, base, out, method=method, scratch=work / SCRATCH, **options)
    return TrainingResult(work / CHECKPOINT, steps=0, tokens=0, metrics={}, selected_step=0, collapsed=False)
