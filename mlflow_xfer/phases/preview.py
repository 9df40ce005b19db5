"""A plan as a person or a program reads it: the phases, each once, and which of them exist."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mlflow_xfer import notebooks
from mlflow_xfer.phases.demands import Demand
from mlflow_xfer.phases.overlaps import Finding
from mlflow_xfer.phases.phase import Phase
from mlflow_xfer.phases.plan import Plan
from mlflow_xfer.phases.same_task import SameTask


@dataclass(frozen=True)
class Preview:
    """``existing`` maps the spec hash of a phase to the run that holds it; ``store`` says where was looked;
    ``overlaps`` what training and test data share, ``cost`` what running the rest would take, in words;
    ``demands`` what each phase asks of the GPU that was named."""

    plan: Plan
    existing: Mapping[str, str] = field(default_factory=dict)
    store: str = ""
    overlaps: Sequence[Finding | SameTask] = ()
    cost: str = ""
    demands: Mapping[str, Demand] = field(default_factory=dict)

    def __repr__(self) -> str:
        exist = sum(phase.spec_hash in self.existing for phase in self.plan.phases)
        return f"<Preview of {self.plan.verb}: {len(self.plan.phases)} phases, {exist} exist>"

    def _repr_html_(self) -> str:
        numbers = self._numbers
        rows = [
            (numbers[phase.spec_hash], phase.title, self._after(phase, numbers), self._state(phase))
            for phase in self.plan.phases
        ]
        return notebooks.table(("", "phase", "after", "state"), rows, self._remarks())

    def as_dict(self) -> dict[str, Any]:
        phases = [{**self._entry(phase), "spec": phase.spec()} for phase in self.plan.phases]
        return {
            "verb": self.plan.verb,
            "plan_hash": self.plan.plan_hash,
            "suite": self.plan.suite,
            "missing": dict(self.plan.missing),
            "overlaps": [overlap.as_dict() for overlap in self.overlaps],
            "phases": phases,
        }

    def text(self) -> str:
        """One line for each phase, then what is missing and what overlaps."""
        numbers = self._numbers
        return "\n".join([*(self._line(phase, numbers) for phase in self.plan.phases), *self._remarks()])

    @property
    def _numbers(self) -> dict[str, int]:
        return {phase.spec_hash: n for n, phase in enumerate(self.plan.phases, 1)}

    def _remarks(self) -> list[str]:
        """What is missing and what overlaps, how many phases are to run, and what they cost."""
        lines = self.plan.lacking()
        lines += [f"overlap: {overlap}" for overlap in self.overlaps]
        phases = len(self.plan.phases)
        run = sum(phase.spec_hash not in self.existing for phase in self.plan.phases)
        transfers = f"{len(self.plan.transfers)} transfers, " if self.plan.transfers else ""
        lines.append(f"{transfers}{phases} phases: {run} to run, {phases - run} reused ({self.store})")
        large = {
            demand.explained(): phase for phase in self.plan.phases if (demand := self._too_large(phase))
        }
        lines += [f"does not fit: {phase.label}: {why}" for why, phase in large.items()]
        return [*lines, *([self.cost] if run and self.cost else [])]

    def _too_large(self, phase: Phase) -> Demand | None:
        demand = self.demands.get(phase.spec_hash)
        return demand if demand is not None and not demand.fits else None

    def _entry(self, phase: Phase) -> dict[str, Any]:
        return {
            "label": phase.label,
            "kind": phase.kind,
            "spec_hash": phase.spec_hash,
            "resolved": phase.resolved,
            "run_id": self.existing.get(phase.spec_hash),
            **({"needs": self.demands[phase.spec_hash].as_dict()} if phase.spec_hash in self.demands else {}),
        }

    def _line(self, phase: Phase, numbers: Mapping[str, int]) -> str:
        return (
            f"{numbers[phase.spec_hash]:>3}  {phase.title:<48} after {self._after(phase, numbers):<24} "
            f"{phase.spec_hash[:10]}  {self._state(phase)}"
        )

    @staticmethod
    def _after(phase: Phase, numbers: Mapping[str, int]) -> str:
        before = [str(numbers[source.spec_hash]) for source in phase.inputs if isinstance(source, Phase)]
        return ", ".join(before) or phase.root().reference

    def _state(self, phase: Phase) -> str:
        if run := self.existing.get(phase.spec_hash):
            return f"reused: {run}"
        demand = f"; {self.demands[phase.spec_hash]}" if phase.spec_hash in self.demands else ""
        return f"to run{'' if phase.resolved else ' (unresolved: no reuse claimed)'}{demand}"
