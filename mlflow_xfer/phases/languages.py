"""Adapters of languages in a plan: what is put under a training, and what an evaluation swaps."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from mlflow_xfer.errors import Problems, XferError
from mlflow_xfer.phases.phase import BaseModel, FinishedRun, Phase, StartModel, identity
from mlflow_xfer.tracking import checkpoints

if TYPE_CHECKING:
    from mlflow_xfer.tracking.store import Store

MARK = "lang:"
HINT = (
    "Such as adapter=lang:RUN, or adapter=sw=lang:RUN,de=lang:RUN; runs are of pretrain with trainable=lora."
)


@dataclass(frozen=True)
class LanguageRuns:
    """What ``adapter`` asks for.

    Attributes:
        under: the run whose adapter is put under what is trained; None: none is.
        swapped: by language, the runs whose adapters are swapped in where it is evaluated.
    """

    under: FinishedRun | None = None
    swapped: Mapping[str, FinishedRun] = field(default_factory=dict)


def asked(
    adapter: Sequence[str],
    source: str,
    find: Callable[[str, str | None, str], BaseModel | FinishedRun],
    problems: Problems,
) -> LanguageRuns:
    """The runs that ``adapter`` names; ``source`` is the language of the training data."""
    under, swapped = None, {}
    for one in adapter:
        language, _, reference = one.rpartition("=")
        try:
            run = find(reference.removeprefix(MARK), None, "auto")
        except XferError as error:
            problems.add(XferError(f"adapter={one}: {error.what}", error.hint))
            continue
        if not isinstance(run, FinishedRun):
            problems.add(f"adapter={one} names no run.", HINT)
        elif not language or language == source:
            under = run
        else:
            swapped[language] = run
    return LanguageRuns(under, swapped)


def has_language(start: StartModel) -> bool:
    """Whether a phase of the chain up to ``start`` has the adapter of a language under it."""
    return isinstance(start, Phase) and any(
        one.procedure not in ("merge", "evaluate") and len(one.inputs) > 1
        for one in (start, *start.ancestors())
    )


def check(phase: Phase, store: Store) -> None:
    """Raise :class:`XferError` where an adapter of a language that ``phase`` reads is none, or one to another
    model than the phase stands on."""
    from mlflow_xfer.models import language

    if phase.procedure == "merge" or len(phase.inputs) < 2:
        return
    base = _base(phase.inputs[0], store)
    if base is None and phase.kind == "evaluate":
        raise XferError(
            f"{phase.title}: the model was trained without the adapter of a language: there is none to swap.",
            "Train it with adapter=lang:RUN.",
        )
    for run in phase.inputs[1:]:
        assert isinstance(run, FinishedRun), "adapters of languages are those of runs"
        adapter = language.of_checkpoint(checkpoints.fetch(store, run.run_id), run.reference)
        language.check(adapter, base or identity(phase.inputs[0]), run.reference)


def _base(start: StartModel, store: Store) -> str | None:
    """The identity of what the adapter of a language in ``start`` was trained on; None: it has none."""
    from mlflow_xfer.models import language
    from mlflow_xfer.models.files import LANGUAGE

    if isinstance(start, FinishedRun):
        held = Path(checkpoints.fetch(store, start.run_id)) / LANGUAGE
        return language.base_of(held) if held.is_dir() else None
    if not isinstance(start, Phase) or start.procedure == "merge":
        return None
    before = _base(start.inputs[0], store)
    return before or (identity(start.inputs[0]) if len(start.inputs) > 1 else None)
