"""LAReQA from questions with answers."""

from __future__ import annotations

from mlflow_xfer.data.readers import Places
from mlflow_xfer.data.readers.lareqa import paragraph_rows
from mlflow_xfer.data.sentences import sentence_breaks


def convert(rows: Places, language: str) -> Places:
    """LAReQA from questions with answers (XQuAD), whose sentences are cut by rules here: the released breaks
    differ in places, so figures do not compare to the digit."""
    paragraphs: dict[str, dict] = {}
    for path, _, row in rows:
        context, answers = row["context"], row["answers"]
        paragraph = paragraphs.setdefault(
            context,
            {"path": path, "context": context, "sentence_breaks": sentence_breaks(context), "qas": []},
        )
        given = [{"answer_start": start} for start in answers["answer_start"]]
        paragraph["qas"].append({"id": row["id"], "question": row["question"], "answers": given})
    for number, paragraph in enumerate(paragraphs.values(), 1):
        yield from paragraph_rows(paragraph["path"], language, number, paragraph)
