"""SQuAD 1.1 and 2.0."""

from __future__ import annotations

from pathlib import Path

from mlflow_xfer.data.readers import Numbered, each_file
from mlflow_xfer.lines import Malformed, parsed, whole
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
                    answers = question.get("answers") or []
                    if answers and question.get("is_impossible"):
                        raise Malformed(
                            f"{path}: question {question['id']!r} is_impossible, and has answers.",
                            "SQuAD 2.0 leaves its answers empty (plausible_answers are none); or leave out "
                            "is_impossible.",
                        )
                    yield (
                        number,
                        {
                            "id": str(question["id"]),
                            "title": article.get("title", ""),
                            "context": context,
                            "question": question["question"],
                            "answers": {
                                "text": [a["text"] for a in answers],
                                "answer_start": [a["answer_start"] for a in answers],
                            },
                        },
                    )
    except (KeyError, TypeError, AttributeError) as error:
        raise Malformed(
            f"{path}: is not in SQuAD's format (after {number} questions: {error!r}).",
            "data[].paragraphs[].qas[] with id, question and answers[] {text, answer_start}",
        ) from None
