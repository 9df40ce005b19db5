"""Raw text is read to train on and not scored."""

from __future__ import annotations

from mlflow_xfer.kinds.kind import Scoring


class LanguageModel(Scoring):
    name = "language_model"


KIND = LanguageModel()
