"""Makes, in its run, what a phase is to leave: trained or merged weights, or scores."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from mlflow_xfer.models import files
from mlflow_xfer.params.settings import RuntimeOptions
from mlflow_xfer.phases import base_seen, gate, overlaps, record, references, whole
from mlflow_xfer.phases.meter import Meter
from mlflow_xfer.phases.phase import BaseModel, FinishedRun, Phase, StartModel
from mlflow_xfer.tracking import checkpoints
from mlflow_xfer.tracking.lease import Lease
from mlflow_xfer.training import progress

if TYPE_CHECKING:
    from mlflow_xfer.tracking.store import Store
    from mlflow_xfer.training.parts import TrainingResult

LOADER = "mlflow_xfer.plugin.derived_model"
"""Module by which MLflow loads what is published as an adapter and heads alone."""


@dataclass(frozen=True)
class Done:
    """A phase that exists. ``how``: reused, resumed, or made; ``weights``: whether they are known to be
    there."""

    run_id: str
    how: str
    weights: bool = True


@dataclass(frozen=True)
class Spent:
    """What one opening of a phase's run cost:
    optimiser steps, tokens, seconds; of a resumed one what it added.
    """

    run_id: str
    optimizer_steps: float = 0.0
    tokens: float = 0.0
    seconds: float = 0.0


@dataclass(frozen=True)
class Maker:
    """Makes phases whose inputs are done.

    Args:
        runtime: how phases are computed, and how often they are saved.
        watch: called with what a training logs.
        done: the phases that there are, by spec hash.
        spent: what each making cost is appended here, also of phases that did not come to their end.
    """

    store: Store
    runtime: RuntimeOptions
    watch: Callable[[Phase, Mapping[str, float], int], None] | None
    done: Mapping[str, Done]
    spent: list[Spent]

    def make(self, phase: Phase, work: Path, run_id: str, lease: Lease, name: str, resumed: bool) -> None:
        """Make ``phase`` in the folder ``work`` and publish it in its run.

        Args:
            name: what the phase is called while it runs.
            resumed: whether it goes on from a saved state.
        """
        meter = Meter(self.store, run_id, phase, work, resumed=resumed)
        merges = phase.procedure == "merge"
        starts = [self._directory(one, work) for one in (phase.inputs if merges else phase.inputs[:1])]
        adapters = [] if merges else [self._adapter(one) for one in phase.inputs[1:]]
        try:
            with meter, progress.beside(name):
                if phase.procedure == "evaluate":
                    model = self.model(phase.inputs[0])
                    self._evaluate(phase, starts[0], adapters, work, run_id, lease, model)
                elif merges:
                    self._merge(phase, starts, work, run_id, lease)
                else:
                    self._train(phase, starts[0], adapters, work, run_id, meter, lease)
        finally:
            self.spent.append(Spent(run_id, meter.optimizer_steps, meter.tokens, meter.seconds))

    def _train(
        self,
        phase: Phase,
        start: Path | BaseModel,
        adapters: Sequence[Path],
        work: Path,
        run_id: str,
        meter: Meter,
        lease: Lease,
    ) -> None:
        from mlflow_xfer.phases.train import train_phase

        def log(values: Mapping[str, float], step: int) -> None:
            self.store.metrics(run_id, values, step)
            meter.saw(values, step)
            if self.watch:
                self.watch(phase, values, step)

        outcome = train_phase(phase, start, work, log, self.runtime, adapters)
        meter.saw({"train/tokens": outcome.tokens}, outcome.steps)
        gate.check_publishable(self.store, run_id, phase, outcome, lease)
        if self.runtime.checkpoint == "adapter":
            base = self.run_of(phase.inputs[0])
            outcome = replace(outcome, directory=whole.reduced(phase, outcome.directory, start, base, work))
        self._publish(phase, outcome, run_id)

    def _merge(
        self, phase: Phase, starts: Sequence[Path | BaseModel], work: Path, run_id: str, lease: Lease
    ) -> None:
        from mlflow_xfer.phases.merge import merge_phase

        outcome = merge_phase(phase, starts, work)
        gate.check_publishable(self.store, run_id, phase, outcome, lease)
        self._publish(phase, outcome, run_id)

    def _publish(self, phase: Phase, outcome: TrainingResult, run_id: str) -> None:
        record.outcome(self.store, run_id, phase, outcome)
        checkpoints.publish(
            self.store,
            run_id,
            outcome.directory,
            step=outcome.selected_step,
            tags=record.model_tags(phase),
            loader="" if files.stands_alone(outcome.directory) else LOADER,
            longest=getattr(phase.settings, "max_seq_length", None),
        )

    def _evaluate(
        self,
        phase: Phase,
        start: Path | BaseModel,
        adapters: Sequence[Path],
        work: Path,
        run_id: str,
        lease: Lease,
        model: str,
    ) -> None:
        from mlflow_xfer.phases.evaluate import evaluate_phase

        found = evaluate_phase(phase, start, work, self.runtime, adapters)
        gate.check_metrics({row["language"]: row["score"] for row in found.rows})
        lease.confirm(patience=0.0)  # scores are only queued, so a store that is away need not be waited for
        self.store.confirm(run_id, patience=0.0)
        met = overlaps.findings(phase)
        marks = overlaps.marks(met) | base_seen.marks(phase)
        record.evaluation(self.store, run_id, phase, found, work, model, marks)
        self.store.tags(run_id, overlaps.tags(met))

    def model(self, source: StartModel) -> str:
        """The logged model that a phase starts from; empty for a base that no run made."""
        run_id = self.run_of(source)
        return self.store.get(run_id).tags.get(checkpoints.MODEL_TAG, "") if run_id else ""

    def run_of(self, source: StartModel) -> str | None:
        if isinstance(source, Phase):
            return self.done[source.spec_hash].run_id
        return source.run_id if isinstance(source, FinishedRun) else None

    def _directory(self, source: StartModel, work: Path) -> Path | BaseModel:
        if isinstance(source, BaseModel):
            references.check_unchanged(source)
            return source
        run_id = self.run_of(source)
        assert run_id is not None, "a phase that is done and a named run have a run id"
        return whole.at_hand(self.store, run_id, work)

    def _adapter(self, source: StartModel) -> Path:
        """The folder of the adapter of a language that a run trained."""
        from mlflow_xfer.models.language import of_checkpoint

        run_id = self.run_of(source)
        assert run_id is not None, "adapters of languages are those of runs"
        return of_checkpoint(checkpoints.fetch(self.store, run_id), run_id)
