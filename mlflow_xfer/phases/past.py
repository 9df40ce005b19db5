"""What finished phases of a store took, by which the next ones are estimated."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING

from mlflow_xfer.params.settings import RuntimeOptions
from mlflow_xfer.phases.machines import Machine
from mlflow_xfer.phases.phase import BaseModel, Phase

if TYPE_CHECKING:
    from mlflow_xfer.tracking.runs import RunView
    from mlflow_xfer.tracking.store import Store

NEWEST = 100  # finished runs that are read at once: one page of a store
ALIKE = 20  # finished runs that are looked up where none of the newest is of the kind in question


@dataclass
class Past:
    """Finished phases of a store, and what the next ones run on.

    A few runs are read, however large the store is: the newest, and those like a phase where none of the
    newest is.

    Args:
        runs: the newest, newest first.
        machine: what is asked about; None: whatever the finished ones ran on.
        runtime: how they are computed.
        price: of an hour of one process, for estimates that are told; None: not known.
        store: where more of them are looked up; None: nowhere.
        used: the runs whose figures were asked for.
    """

    runs: Sequence[RunView] = ()
    machine: Machine | None = None
    runtime: RuntimeOptions = field(default_factory=RuntimeOptions)
    price: float | None = None
    store: Store | None = None
    used: set[str] = field(default_factory=set)
    _medians: dict[tuple[object, ...], float] = field(default_factory=dict)

    @classmethod
    def of(cls, store: Store, machine: Machine | None = None, runtime: RuntimeOptions | None = None) -> Past:
        runs = store.search({"xfer.kind": "phase"}, status="FINISHED", newest_first=True, limit=NEWEST)
        return cls(runs, machine, runtime or RuntimeOptions(), store=store)

    def base(self, phase: Phase) -> BaseModel | None:
        """What the chain of ``phase`` began as; where it starts from a run, by what that run says."""
        root = phase.root()
        if isinstance(root, BaseModel):
            return root
        said = self.store.get(root.run_id).tags if self.store is not None else {}
        identity = said.get("xfer.base_identity", "")
        if identity.startswith("scratch:"):
            return BaseModel(":".join(identity.split(":")[:3]), identity)
        name = identity.removeprefix("hub:").partition("@")[0]
        return BaseModel(name, identity) if identity.startswith("hub:") else None

    def tokens_per_sequence(self, phase: Phase) -> float:
        """Of phases with the same tasks, else the mean over those with one of them, else of the kind;
        NaN without any.
        """
        target = phase.kind == "target" and phase.target
        names = [phase.target] if target else [task.name for task in phase.tasks]
        alone, tag = {"xfer.phase": phase.kind}, "xfer.target" if phase.kind == "target" else "xfer.tasks"
        return sought(
            lambda: self._median({**alone, tag: ",".join(names)}, _tokens),
            lambda: mean([self._median({**alone, tag: name}, _tokens) for name in names]),
            lambda: self._median(alone, _tokens),
        )

    def seconds_per_token(self, kind: str, base: str) -> float:
        """Of phases on the same base model, of this kind if there are any."""
        on_base = {"xfer.base_identity": base}
        return sought(
            lambda: self._median({**on_base, "xfer.phase": kind}, _seconds),
            lambda: self._median(on_base, _seconds),
        )

    def prediction_seconds(self, target: str, base: str) -> float:
        """Of evaluations on the same base model, of this target if there are any."""
        on_base = {"xfer.base_identity": base}
        return sought(
            lambda: self._median({**on_base, "xfer.target": target}, _prediction),
            lambda: self._median(on_base, _prediction),
        )

    def _median(self, tags: Mapping[str, str], figure: Callable[[RunView], float]) -> float:
        """Of a figure over runs with these tags; NaN if none of them has it."""
        key = (figure, *tags.items())
        if key not in self._medians:
            alike = [run for run in self.runs if tags.items() <= run.tags.items() and figure(run)]
            alike = alike or [run for run in self._looked_up(tags) if figure(run)]
            self.used |= {run.run_id for run in alike}
            self._medians[key] = median(map(figure, alike)) if alike else math.nan
        return self._medians[key]

    def _looked_up(self, tags: Mapping[str, str]) -> Sequence[RunView]:
        quoted = any(set(value) & set("'`") for value in tags.values())  # MLflow cannot be asked for these
        if self.store is None or quoted or len(self.runs) < NEWEST:
            return ()
        wanted = {"xfer.kind": "phase", **tags}
        return self.store.search(wanted, status="FINISHED", newest_first=True, limit=ALIKE)


def _tokens(run: RunView) -> float:
    """Tokens a sequence; 0 if the run does not say."""
    batch = float(run.params.get("train_batch_size", 0) or 0)
    sequences = run.metrics.get("train/optimizer_steps", 0.0) * batch
    return run.metrics.get("train/tokens", 0.0) / sequences if sequences else 0.0


def _seconds(run: RunView) -> float:
    """Seconds a token of a training; 0 if the run does not say."""
    tokens = run.metrics.get("train/tokens", 0.0)
    trained = tokens and run.metrics.get("train/optimizer_steps")
    return run.metrics.get("train/seconds", 0.0) / tokens if trained else 0.0


def _prediction(run: RunView) -> float:
    return run.metrics.get("predict/seconds", 0.0)


def sought(*found: Callable[[], float]) -> float:
    """The first that is known; the others are not asked for."""
    return next((value for one in found if not math.isnan(value := one())), math.nan)


def mean(values: Sequence[float]) -> float:
    """Of the known ones; NaN without any."""
    known = [value for value in values if not math.isnan(value)]
    return sum(known) / len(known) if known else math.nan
