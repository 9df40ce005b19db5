"""How raw text reads: every token is an answer."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from mlflow_xfer.data.canonical import Convert, mapped, text_of
from mlflow_xfer.data.encoded import Encoded, column
from mlflow_xfer.data.subwords import texts
from mlflow_xfer.kinds.kind import Data
from mlflow_xfer.tasks.task import Files, Hub, Task


class LanguageModel(Data):
    name = "language_model"
    columns = {"text": "text"}
    texts = ("text",)
    declared = ("text",)
    group = "text"

    def convert(self, task: Task, source: Hub | Files) -> Convert:
        get, name = mapped(source, "text")

        def convert(raw: Any) -> dict[str, Any] | None:
            text = text_of(get(raw), name)
            return {"text": text} if text.strip() else None

        return convert

    def encode(self, dataset: Any, task: Task, tokenizer: Any, limit: int, decoder: bool) -> Encoded:
        """Every token of every text: a text longer than the limit becomes several rows, none is cut off.

        A column ``stage`` (whole numbers) is kept: texts of a lower stage are dealt first in each epoch.
        """
        encoded = texts(tokenizer, dataset["text"][:], column(dataset, "text_b"), limit, split=True).done()
        stage = column(dataset, "stage")
        if stage is None:
            return encoded
        by_row = np.array([int(value) for value in stage], np.int64)[encoded.columns["example"]]
        return replace(encoded, columns={**encoded.columns, "stage": by_row})


KIND = LanguageModel()
