"""The claims about the paper's method: what the product does of them, shown rather than measured."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from mlflow_xfer.kinds.kind import KINDS
from mlflow_xfer.params.chain import Transfer
from mlflow_xfer.params.reading import read
from mlflow_xfer.phases.plan import make_plan
from mlflow_xfer.phases.references import References
from mlflow_xfer.studies.questions.replicate import NINE
from mlflow_xfer.tasks.catalogue import TASKS
from mlflow_xfer.tracking.store import Store


def _chain() -> Any:
    """The plan of one of the paper's rows."""
    asked = {"model": "xlm-roberta-large", "data": "hub", "intermediate": "mnli", "target": "panx"}

    def no_store() -> Store:
        raise AssertionError("a model of the hub is looked up in no store")

    return make_plan("transfer", read(Transfer, {**asked, "languages": "de"}), References(no_store))


def _starts_from_large() -> str:
    (first, *_) = _chain().phases
    return f"model=xlm-roberta-large: {first.label} starts from {first.root().reference}"


def _three_phases() -> str:
    kinds = [phase.kind for phase in _chain().phases]
    return f"public MLM (xlm-roberta-large) → {' → '.join(kinds)}"


def _nine_tasks() -> str:
    english = [name for name in NINE.values() if "en" in TASKS.get(name).train_languages]
    return f"{len(english)} in the catalogue: {', '.join(english)}"


def _formats() -> str:
    kinds: dict[str, list[str]] = {}
    for name in NINE.values():
        kinds.setdefault(KINDS.get(TASKS.get(name).kind).name, []).append(name)
    return "; ".join(f"{kind}: {', '.join(names)}" for kind, names in kinds.items())


METHODS: Mapping[str, Callable[[], str]] = {
    "C7": _starts_from_large,
    "C8": _three_phases,
    "C9": _nine_tasks,
    "C10": _formats,
}
