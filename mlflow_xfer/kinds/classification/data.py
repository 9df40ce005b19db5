"""How texts and pairs of texts with a label read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from mlflow_xfer.data.canonical import Convert, getter
from mlflow_xfer.data.encoded import IGNORED, Encoded, column
from mlflow_xfer.data.labels import labeller
from mlflow_xfer.data.pairs import pair_of, text_or_pair
from mlflow_xfer.data.subwords import texts
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
    foretold = True

    def convert(self, task: Task, source: Hub | Files) -> Convert:
        read, get_label = text_or_pair(source), getter(source.columns.get("label", "label"))
        label_of = labeller(task, source)

        def convert(raw: Any) -> dict[str, Any] | None:
            texts_of_row = read(raw)
            label = label_of(get_label(raw))
            return None if label is None else texts_of_row | {"label": label}

        return convert

    def unlabelled(self, raw: Mapping[str, Any]) -> dict[str, Any]:
        return pair_of(raw)

    def encode(self, dataset: Any, task: Task, tokenizer: Any, limit: int, decoder: bool) -> Encoded:
        index = {label: i for i, label in enumerate(task.labels)}
        rows = texts(tokenizer, dataset["text_a"][:], column(dataset, "text_b"), limit)
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
