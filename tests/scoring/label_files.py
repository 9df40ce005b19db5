"""Writes labels in the shape of XTREME's label folder."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from mlflow_xfer.kinds.span_qa.metrics import gold_texts
from mlflow_xfer.scoring.formats import path_of, write_predictions
from mlflow_xfer.tasks.task import Task


def write_labels(
    folder: Path | str, task: Task, language: str, references: Sequence, ids: Sequence[str] | None = None
) -> Path:
    """Write one language's references; arguments as for predictions,
    which only questions are filed unlike.
    """
    if task.kind != "span_qa":
        return write_predictions(folder, task, language, references, ids)
    questions = [
        {"id": key, "answers": [{"answer_start": 0, "text": text} for text in gold_texts(answers)]}
        for key, answers in zip(ids or (), references, strict=True)
    ]
    document = {"version": "1.1", "data": [{"title": "", "paragraphs": [{"context": "", "qas": questions}]}]}
    path = path_of(folder, task, language)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(json.dumps(document).encode())
    return path
