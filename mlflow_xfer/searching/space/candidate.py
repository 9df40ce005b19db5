"""A candidate of a search: a subset of intermediate tasks with its settings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mlflow_xfer.params.chain import Transfer
from mlflow_xfer.params.declare import parameters
from mlflow_xfer.params.values import typed

BASELINE = "baseline"


@dataclass(frozen=True)
class Candidate:
    """One thing to try.

    Args:
        tasks: sorted; in training order if ``ordered``; () = the baseline.
        settings: further parameters as the verbs take them, sorted by name: ("mlm_share", 0.2),
            ("intermediate.learning_rate", 1e-4).
        ordered: whether the order of the tasks matters (``combine=sequential``).
    """

    tasks: tuple[str, ...]
    settings: tuple[tuple[str, Any], ...] = ()
    ordered: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "tasks", tuple(self.tasks) if self.ordered else tuple(sorted(self.tasks)))
        object.__setattr__(self, "settings", tuple(sorted((name, value) for name, value in self.settings)))

    @property
    def key(self) -> str:
        """Equal for equal candidates, in every process: ``nli+qa mlm_share=0.2``."""
        return " ".join([self.subset, *(f"{name}={typed(value)}" for name, value in self.settings)])

    @property
    def subset(self) -> str:
        """The tasks alone: ``nli+qa``, in order ``qa>nli``, ``baseline``."""
        return (">" if self.ordered else "+").join(self.tasks) or BASELINE

    @property
    def label(self) -> str:
        """For people: ``nli+qa lr=1e-04``."""
        shown = []
        for name, value in self.settings:
            phase, _, bare = name.rpartition(".")
            said = f"{value:g}" if isinstance(value, float) else typed(value)
            shown.append(f"{'target ' if phase == 'target' else ''}{short_name(bare)}={said}")
        return " ".join([self.subset, *shown])

    def overrides(self) -> dict[str, Any]:
        """Parameters of ``transfer`` that make this candidate, as a user types them."""
        return {"intermediate": typed(self.tasks), **{name: typed(value) for name, value in self.settings}}


def short_name(name: str) -> str:
    """A setting's name in labels."""
    declared = parameters(Transfer).get(name)
    return declared.facts.short or name if declared else name
