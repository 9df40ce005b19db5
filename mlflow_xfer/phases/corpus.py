"""The text that the tokenizer of a model from nothing is trained on."""

from __future__ import annotations

from collections.abc import Iterator

from mlflow_xfer.data import sources
from mlflow_xfer.data.texts import few_words
from mlflow_xfer.phases.phase import Phase


def corpus(phase: Phase) -> Iterator[str]:
    """The phase's own training corpus, of an evaluation
    what it reads, in the order of its rows.
    """
    by_name = {task.name: task for task in phase.tasks}
    texts = {rows.language: sources.read_text(rows) for rows in phase.rows if rows.task not in by_name}
    texts = few_words(texts, getattr(phase.settings, "text_words", None))
    for rows in phase.rows:
        if rows.split == "train" or phase.kind == "evaluate":
            table = sources.read(by_name[rows.task], rows) if rows.task in by_name else texts[rows.language]
            for column in ("text", "text_a", "text_b", "context", "question", "words", "source", "target"):
                if column in table.column_names:
                    yield from (
                        " ".join(value) if isinstance(value, list) else value
                        for value in table[column]
                        if value
                    )
