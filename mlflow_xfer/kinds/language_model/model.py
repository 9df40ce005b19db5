"""Raw text has no head of a task: a training's language model is a part of its own type."""

from __future__ import annotations

from mlflow_xfer.kinds.kind import Model


class LanguageModel(Model):
    name = "language_model"


KIND = LanguageModel()
