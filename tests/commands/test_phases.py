"""What the verbs that run phases say before the first one runs."""

from __future__ import annotations

import logging

import pytest

import mlflow_xfer
from mlflow_xfer.commands import phases
from mlflow_xfer.errors import XferError


def test_languages_without_data_are_warned_of(own_store, tmp_path, monkeypatch, caplog):
    def stop(*_):
        raise XferError("here it would begin")

    monkeypatch.setattr(phases, "validate", stop)
    table = "text_a\tlabel\na\tx\nb\ty\n"
    for name in ("train", "de"):
        (tmp_path / f"{name}.tsv").write_text(table)
    entry = "kind: classification, labels: [x, y], languages: [de, fr]"
    path, files = tmp_path / "tasks.yaml", '{train: {en: train.tsv}, test: "{language}.tsv"}'
    path.write_text(f"tasks: {{s: {{{entry}, files: {files}}}}}")
    with caplog.at_level(logging.WARNING), pytest.raises(XferError, match="here it would begin"):
        mlflow_xfer.transfer(intermediate="none", target="s", task_file=str(path))
    assert "missing: s has no data in fr" in caplog.messages
