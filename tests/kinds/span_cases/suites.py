"""A tiny folder in the layout of MultiCheckList: what CheckList says of a suite, a case on a line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from mlflow_xfer.data.readers.checklist import TESTS

NAMES = list(TESTS)
PLACE = "multichecklist/lang_suites/{}_squad_suite.jsonl"


def case(test: str, first: str = "Gary", second: str = "Ida") -> dict[str, Any]:
    """Two questions about one context."""
    context = f"{first} is older than {second}."
    return {
        "test": test,
        "data": [[context, "Who is less old?"], [context, "Who is older?"]],
        "labels": [second, first],
    }


def suite() -> list[dict[str, Any]]:
    """Two cases of each test."""
    return [case(test, *names) for test in NAMES for names in (("Gary", "Ida"), ("Anna", "Tom"))]


def write(folder: Path, language: str, cases: list[dict[str, Any]] | None = None) -> Path:
    """The file of a language below ``folder``."""
    path = folder / PLACE.format(language)
    path.parent.mkdir(parents=True, exist_ok=True)
    text = "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in (cases or suite()))
    path.write_text(text, encoding="utf-8")
    return path


def write_squad(folder: Path) -> None:
    """English training questions, beside them."""
    paragraphs = [
        {
            "context": f"{first} is older than Ida number {n}.",
            "qas": [
                {
                    "id": f"{n} {first}",
                    "question": "Who is older?",
                    "answers": [{"text": first, "answer_start": 0}],
                }
            ],
        }
        for n in range(60)
        for first in ("Gary", "Anna")
    ]
    path = folder / "squad" / "train-v1.1.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"data": [{"title": "ages", "paragraphs": paragraphs}]}), encoding="utf-8")
