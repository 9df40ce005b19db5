"""LAReQA: XQuAD-R and MLQA-R."""

from __future__ import annotations

from pathlib import Path

from mlflow_xfer.data.readers import Places
from mlflow_xfer.lines import Malformed, parsed, scalar_text, whole
from mlflow_xfer.tasks.task import Files


def read(paths: tuple[Path, ...], source: Files, language: str) -> Places:
    """XQuAD-R or MLQA-R: questions, and every sentence of every paragraph, in its paragraph, as a candidate.

    A question's id is the same in all languages, a candidate's is ``<language>:<paragraph>.<sentence>``.
    """
    for path in paths:
        content, number = parsed(path, whole(path), 1), 0
        try:
            for article in content["data"]:
                for paragraph in article["paragraphs"]:
                    number += 1
                    yield from paragraph_rows(path, language, number, paragraph)
        except (KeyError, TypeError, ValueError) as error:
            raise Malformed(
                f"{path}: paragraph {number} is not in LAReQA's format ({error!r}).",
                "SQuAD's format with sentence_breaks [[from, to], …] per paragraph",
            ) from None


def paragraph_rows(path: Path, language: str, number: int, paragraph: dict) -> Places:
    context, breaks = paragraph["context"], paragraph["sentence_breaks"]
    names = [f"{language}:{number}.{place}" for place in range(len(breaks))]
    for name, (begin, end) in zip(names, breaks, strict=True):
        yield (
            path,
            number,
            {
                "id": name,
                "source": None,
                "target": context[begin:end].strip(),
                "context": context,
                "gold": [],
            },
        )
    for question in paragraph["qas"]:
        starts = [answer["answer_start"] for answer in question["answers"]]
        for answer, start in zip(question["answers"], starts, strict=True):
            text = answer.get("text", "")
            if context[start : start + len(text)] != text:
                raise Malformed(
                    f"{path}: question {question['id']!r}: answer {text!r:.40} does not stand at character "
                    f"{start} of its paragraph.",
                    "Places in LAReQA count characters (code points).",
                )
        gold = [
            name
            for name, (begin, end) in zip(names, breaks, strict=True)
            if any(begin <= start < end for start in starts)
        ]
        if not gold:
            raise Malformed(
                f"{path}: question {question['id']!r} has its answer in no sentence of its paragraph."
            )
        yield (
            path,
            number,
            {"id": scalar_text(question["id"]), "source": question["question"], "target": None, "gold": gold},
        )
