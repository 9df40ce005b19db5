"""How texts and pairs of texts with a label read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from mlflow_xfer.data.canonical import Convert, mapped, text_of
from mlflow_xfer.data.encoded import IGNORED, Encoded, column
from mlflow_xfer.data.labels import MISSING, BadRow, labeller
from mlflow_xfer.data.subwords import texts
from mlflow_xfer.data.unlabelled import text_in
from mlflow_xfer.errors import XferError
from mlflow_xfer.kinds.kind import Data
from mlflow_xfer.tasks.task import Files, Hub, Task


class Classification(Data):
    name = "classification"
    columns = {"text_a": "text", "text_b": "text", "label": "text"}
    texts = ("text_a", "text_b")
    answers = ("label",)
    declared = ("text_a", "text_b", "label")
    labels = "names"
    counted = "label"
    group = "text_a"
    asked = ("text_a", "text_b")
    optional = ("text_b",)

    def convert(self, task: Task, source: Hub | Files) -> Convert:
        (get_a, a), (get_b, b), (get_label, _) = (
            mapped(source, name) for name in ("text_a", "text_b", "label")
        )
        label_of, pair = labeller(task, source), "text_b" in source.columns

        def convert(raw: Any) -> dict[str, Any] | None:
            second = get_b(raw)
            if second is MISSING and not pair:
                second = None
            text_a, text_b = (
                text_of(get_a(raw), a),
                None if second is None and not pair else text_of(second, b),
            )
            label = label_of(get_label(raw))
            if not text_a.strip() and not (text_b or "").strip():
                raise BadRow("has no text")
            return label and {"text_a": text_a, "text_b": text_b, "label": label}

        return convert

    def unlabelled(self, raw: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "text_a": text_in(raw, "text_a", "text"),
            "text_b": text_in(raw, "text_b") if raw.get("text_b") not in (None, "") else None,
        }

    def encode(self, dataset: Any, task: Task, tokenizer: Any, limit: int, decoder: bool) -> Encoded:
        index = {label: i for i, label in enumerate(task.labels)}
        rows = texts(tokenizer, column(dataset, "text_a"), column(dataset, "text_b"), limit)
        labels = column(dataset, "label")
        if labels is not None:
            try:
                rows.columns["label"] = np.array(
                    [IGNORED if label is None else index[label] for label in labels], np.int64
                )
            except KeyError as error:
                raise XferError(
                    f"Task {task.name!r}: label {error.args[0]!r} is none of {', '.join(task.labels)}."
                ) from None
        return rows.done()

    def gold(self, task: Task, splits: Mapping[str, Any]) -> dict[str, list]:
        return {name: list(split["label"][:]) for name, split in splits.items()}


KIND = Classification()
