"""Which weights stay when what was asked of them is known, and what is to run where some are gone."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from mlflow_xfer.phases.phase import Phase

GOES = {"all": (), "intermediate": ("target",), "none": ("target", "intermediate")}
"""By value of ``keep``, the kinds of phases whose weights go."""


def kept(phase: Phase, keep: str) -> bool:
    """Whether the weights of a phase stay."""
    return phase.kind not in GOES[keep]


def dependents(phase: Phase, phases: Iterable[Phase]) -> list[Phase]:
    """Those of ``phases`` that start from ``phase``."""
    own = phase.spec_hash
    return [one for one in phases if any(isinstance(s, Phase) and s.spec_hash == own for s in one.inputs)]


def with_dependents(asked: Iterable[Phase], phases: Iterable[Phase]) -> list[Phase]:
    """Those of ``phases`` (each after its inputs) that are asked for, or stand on one that is."""
    around = {phase.spec_hash for phase in asked}
    for phase in (phases := list(phases)):
        if any(isinstance(source, Phase) and source.spec_hash in around for source in phase.inputs):
            around.add(phase.spec_hash)
    return [phase for phase in phases if phase.spec_hash in around]


def to_run(phases: Iterable[Phase], exists: Callable[[Phase, bool], bool], keep: str) -> list[Phase]:
    """Those of ``phases`` (each after its inputs) that do not exist, or whose weights are gone and needed: to
    be kept, or to start from.

    Args:
        exists: whether a phase does; with True, its weights included.
    """
    missing: set[str] = set()
    needed: set[str] = set()
    phases = list(phases)
    for phase in reversed(phases):
        if not exists(phase, phase.spec_hash in needed or kept(phase, keep)):
            missing.add(phase.spec_hash)
            needed |= {source.spec_hash for source in phase.inputs if isinstance(source, Phase)}
    return [phase for phase in phases if phase.spec_hash in missing]
