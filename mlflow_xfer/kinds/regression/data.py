"""How texts and pairs of texts with a grade read (STS-B, SICK's relatedness)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from mlflow_xfer.data.canonical import Convert, getter
from mlflow_xfer.data.encoded import Encoded, column
from mlflow_xfer.data.labels import MISSING, BadRow, NoLabel, spelled
from mlflow_xfer.data.pairs import pair_of, text_or_pair
from mlflow_xfer.data.subwords import texts
from mlflow_xfer.kinds.kind import Data
from mlflow_xfer.tasks.task import Files, Hub, Task


class Regression(Data):
    name = "regression"
    columns = {"text_a": "text", "text_b": "text", "label": "number"}
    texts = ("text_a", "text_b")
    answers = ("label",)
    declared = ("text_a", "text_b", "label")
    counted = "label"
    group = "text_a"
    asked = ("text_a", "text_b")
    optional = ("text_b",)
    selects_by = ("oracle",)

    def convert(self, task: Task, source: Hub | Files) -> Convert:
        read, get_label = text_or_pair(source), getter(source.columns.get("label", "label"))
        dropped = {*source.drop, *map(spelled, source.drop)}

        def convert(raw: Any) -> dict[str, Any] | None:
            said = get_label(raw)
            if str(said) in dropped or spelled(said) in dropped:
                return None
            return read(raw) | {"label": _grade(said)}

        return convert

    def unlabelled(self, raw: Mapping[str, Any]) -> dict[str, Any]:
        return pair_of(raw)

    def encode(self, dataset: Any, task: Task, tokenizer: Any, limit: int, decoder: bool) -> Encoded:
        """``label`` is a float, ``nan`` where there is none."""
        rows = texts(tokenizer, dataset["text_a"][:], column(dataset, "text_b"), limit)
        labels = column(dataset, "label")
        if labels is not None:
            rows.columns["label"] = np.array(labels, np.float32)
        return rows.done()

    def gold(self, task: Task, splits: Mapping[str, Any]) -> dict[str, list]:
        return {name: list(split["label"][:]) for name, split in splits.items()}


def _grade(said: Any) -> float:
    """A finite number; raises :class:`BadRow` for anything else."""
    if said is MISSING or said is None or said == "":
        raise NoLabel("has no label", said is MISSING)
    try:
        grade = float(said) if not isinstance(said, bool) else math.nan
        if isinstance(said, str) and "_" in said:  # 1_000 is one of Python's numbers
            raise ValueError
    except (TypeError, ValueError, OverflowError):
        raise BadRow(f"has label {said!r:.40}, which is no number") from None
    if not math.isfinite(grade):
        raise BadRow(f"has label {said!r:.40}, which is no finite number")
    return grade


KIND = Regression()
