"""SQuAD 1.1 and 2.0."""

from __future__ import annotations

from pathlib import Path

from mlflow_xfer.data.readers import Numbered, each_file
from mlflow_xfer.lines import Malformed, parsed, scalar_text, whole
from mlflow_xfer.tasks.task import Files


@each_file
def read(path: Path, source: Files, language: str) -> Numbered:
    """SQuAD 1.1 or 2.0: one raw row per question, with context and title."""
    content = parsed(path, whole(path), 1)
    number = 0
    try:
        for article in content["data"]:
            for paragraph in article["paragraphs"]:
                context = paragraph["context"]
                for question in paragraph["qas"]:
                    number += 1
                    row = {
                        "id": scalar_text(question["id"]),
                        "title": article.get("title", ""),
                        "context": context,
                        "question": question["question"],
                    }
                    said = {name: question[name] for name in ("answers", "is_impossible") if name in question}
                    if isinstance(said.get("answers"), list):
                        said["answers"] = {
                            name: [answer[name] for answer in said["answers"]]
                            for name in ("text", "answer_start")
                        }
                    yield number, row | said
    except (KeyError, TypeError, AttributeError) as error:
        raise Malformed(
            f"{path}: is not in SQuAD's format (after {number} questions: {error!r}).",
            "data[].paragraphs[].qas[] with id, question and answers[] {text, answer_start}",
        ) from None
