"""XCOPA."""

from __future__ import annotations

from pathlib import Path

from mlflow_xfer.data.readers import Places
from mlflow_xfer.data.readers._objects import objects
from mlflow_xfer.lines import Malformed, scalar_text
from mlflow_xfer.tasks.task import Files

QUESTIONS = ("cause", "effect")


def read(paths: tuple[Path, ...], source: Files, language: str) -> Places:
    """A language's XCOPA file with ``question`` (cause, effect) taken from English COPA by ``idx``.

    XCOPA's own field differs from COPA's in some languages (Turkish: 449 of 500 test rows agree, Thai: 250),
    labels do not; a prompt built on it would ask for a cause where the choices are effects.
    """
    own, english = paths
    asked = _asked(english)
    for path, number, row in objects(own, ("idx", "premise", "choice1", "choice2")):
        name = scalar_text(row["idx"])
        if name not in asked:
            raise Malformed(
                f"{path}:{number}: {english.name} has no row with idx {name}.",
                "COPA says whether a row asks for the cause or the effect.",
            )
        yield path, number, row | {"id": name, "question": asked[name]}


def _asked(path: Path) -> dict[str, str]:
    """By idx, what a row of COPA asks for."""
    asked: dict[str, str] = {}
    for _, number, row in objects(path, ("idx", "question")):
        name, question = scalar_text(row["idx"]), row["question"]
        if name in asked:
            raise Malformed(
                f"{path}:{number}: idx {name} stands here a second time.",
                "Rows of other languages find their question by it: each row of COPA has an idx of its own.",
            )
        if question not in QUESTIONS:
            raise Malformed(
                f"{path}:{number}: has the question {question!r:.40}.", f"Accepted: {', '.join(QUESTIONS)}"
            )
        asked[name] = question
    return asked
