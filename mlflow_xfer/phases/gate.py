"""What is looked at before a phase publishes: that all is finite and whole, and the run still its own."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from mlflow_xfer.durable.manifest import is_whole
from mlflow_xfer.errors import TRY_AGAIN, XferError
from mlflow_xfer.models.finite import not_finite
from mlflow_xfer.params.settings import TrainingSettings
from mlflow_xfer.phases.phase import Phase
from mlflow_xfer.training.parts import NotFinite

if TYPE_CHECKING:
    from mlflow_xfer.tracking.lease import Lease
    from mlflow_xfer.tracking.store import Store
    from mlflow_xfer.training.parts import TrainingResult


def check_publishable(store: Store, run_id: str, phase: Phase, outcome: TrainingResult, lease: Lease) -> None:
    """To be passed before anything of ``outcome`` reaches the run.

    Raises:
        NotFinite: a metric or the weights are not finite.
        XferError: the checkpoint is not whole, or the run is no longer this opening's (exit code 75).
    """
    if not is_whole(outcome.directory):
        raise XferError(
            f"The checkpoint in {outcome.directory} is not whole.", "Repeat the command.", TRY_AGAIN
        )
    check_metrics(outcome.metrics)
    wrong = next(not_finite(outcome.directory), None)
    if wrong:
        raise _diverged(phase, outcome, wrong)
    lease.confirm()
    store.confirm(run_id)


def _diverged(phase: Phase, outcome: TrainingResult, wrong: str) -> NotFinite:
    settings = phase.settings
    if not isinstance(settings, TrainingSettings):
        return NotFinite(f"Merged weights are not finite: {wrong}.", "Give a lower merge_weight.")
    return NotFinite(
        f"The training diverged: weights are not finite after step {outcome.steps}, "
        f"with learning_rate={settings.learning_rate:g}: {wrong}.",
        "Give a lower learning_rate.",
    )


def check_metrics(metrics: Mapping[str, float]) -> None:
    """Raise :class:`NotFinite` for a figure that is not finite."""
    for name, value in metrics.items():
        if not math.isfinite(value):
            raise NotFinite(f"{name} is {value}.", "It says nothing, so nothing is published.")


def check_weights(directory: Path | str) -> None:
    """Raise :class:`XferError` for a model directory with weights that are not finite."""
    wrong = next(not_finite(Path(directory)), None)
    if wrong:
        raise XferError(
            f"{directory}: weights are not finite: {wrong}.", "Its training diverged; it is no use."
        )
