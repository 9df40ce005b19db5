"""How answers to questions are judged: exact match and F1, filed by the question's id."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mlflow_xfer.data.distinct import Distinct
from mlflow_xfer.data.words import words
from mlflow_xfer.errors import XferError
from mlflow_xfer.kinds.span_qa.metrics import figures, gold_texts, mlqa_rows, squad_rows, v2_rows
from mlflow_xfer.scoring import prediction_files
from mlflow_xfer.scoring.baselines import mean_of_draws, most_frequent, value_of
from mlflow_xfer.scoring.buckets import by_attribute
from mlflow_xfer.scoring.evaluation import Answered, Compared
from mlflow_xfer.scoring.formats import Format, Keyed, Warn
from mlflow_xfer.scoring.problems import Problem, counted, keyed
from mlflow_xfer.scoring.score import Metric
from mlflow_xfer.tasks.task import Task


class Answers(Keyed):
    """A JSON object from a question's id to its answer; labels in SQuAD's format, where ids may repeat."""

    def predictions(self, path: Path) -> dict[str, str]:
        return prediction_files.answers(path)

    def labels(self, path: Path) -> list[tuple[str, list[str]]]:
        return prediction_files.questions(path)

    def aligned(
        self,
        task: Task,
        predictions: Mapping[str, str],
        labels: list[tuple[str, list[str]]],
        files: tuple[Path, Path],
        warn: Warn,
    ) -> tuple[Sequence, Sequence]:
        asked = [key for key, _ in labels]
        wanted = names_of(asked, predictions)
        self.tell(files[0], predictions, wanted, "question", warn)
        if len({*wanted}) < len(wanted):
            warn(
                f"{files[1]}: {len(asked):,} questions have {len({*asked}):,} different ids; as in XTREME's "
                f"script each answer of {files[0]} stands for all questions with its id."
            )
        return [predictions.get(name) for name in wanted], [golds for _, golds in labels]

    def problems(self, path: Path, gold: Path | None, task: Task, language: str) -> list[Problem]:
        mine, (_, repeated) = prediction_files.answers(path), prediction_files.mapping(path)
        asked = [key for key, _ in prediction_files.questions(gold)] if gold else None
        wanted = None if asked is None else names_of(asked, mine)
        problems = keyed(mine, wanted, repeated, "questions")
        if gold is None:
            problems += counted(len(mine), None, task, "answers")
        empty = sum(not answer.strip() for answer in mine.values())
        if empty * 10 > len(mine):
            problems.append((f"{empty} of {len(mine)} answers are empty", False))
        return problems


def names_of(asked: Sequence[str], predictions: Mapping[str, Any]) -> list[str]:
    """Under which name of ``predictions`` the answer to each of the questions with the ids ``asked`` stands.

    Predictions made here name the repeats of an id ``id#2``, ``id#3`` …, as the rows of data are named. Those
    made elsewhere may have plain ids only: official scorers look an id up once for each of its questions, and
    so it is here. One name of a repeat says that all repeats are named: one that is lacking has no answer.
    """
    names = list(map(Distinct(), asked))
    return list(asked) if ({*names} - {*asked}).isdisjoint(predictions) else names


ANSWERS = Answers()
WRITTEN = re.compile(r"""\s*(\[\s*(["'{].*)?\]|\{.*["']text["']\s*:.*\})\s*""", re.DOTALL)
"""Gold answers of which a table of texts, such as CSV, made one text."""


def _metric(name: str, rows: Callable[[Sequence, Sequence, str], np.ndarray], description: str) -> Metric:
    return Metric(name, rows, figures, ("exact_match", "f1"), description=description)


class SpanQA(Answered):
    name = "span_qa"
    metrics = {
        "squad": _metric(
            "squad", squad_rows, "mean of EM and F1, SQuAD v1.1's normalisation (XQuAD, TyDiQA)"
        ),
        "mlqa": _metric("mlqa", mlqa_rows, "mean of EM and F1, MLQA's normalisation per language"),
        "squad_v2": _metric(
            "squad_v2", v2_rows, "mean of EM and F1 where a question may have no answer (SQuAD v2.0)"
        ),
    }
    gold = "answers"
    unanswered = True
    may_lack = ("context", "question")

    def options(self, task: Task, table: Any) -> None:
        return None

    def right(self, task: Task, given: Sequence[Any]) -> list[Any]:
        """Gold answers as they are given.

        Raises:
            XferError: for what :func:`gold_texts` would take for other answers, or for none.
        """
        for number, answers in enumerate(given, 1):
            if isinstance(answers, str) and WRITTEN.fullmatch(answers):
                raise XferError(
                    f"{task.name}: the gold answers of question {number} are a list or an object written as "
                    f"a text: {answers[:60]!r}.",
                    "So CSV holds them: read them with json.loads, or ast.literal_eval where Python wrote "
                    "them. An answer that does read so is given as a list of one text.",
                )
            if not _of_texts(answers):
                raise XferError(
                    f"{task.name}: the gold answers of question {number} hold no texts: {answers!r:.80}.",
                    'Accepted: a text, a list of texts, {"text": […]} or [{"text": …}].',
                )
        return list(given)

    def columns(self, task: Task, language: str, references: Sequence) -> dict[str, list]:
        columns = super().columns(task, language, references)
        return {"answers": [{"text": gold_texts(answers)} for answers in columns["answers"]]}

    def baselines(
        self,
        metric: str,
        references: Sequence,
        training: Sequence | None,
        options: Sequence | None,
        language: str,
        rng: Any,
    ) -> dict[str, float]:
        seen = [next(iter(gold_texts(answers)), "") for answers in training or references]
        pool = np.array(sorted(seen), dtype=object)

        def draw() -> list[str]:
            return list(pool[rng.integers(0, len(pool), len(references))])

        return {
            "chance": mean_of_draws(draw, metric, references, language),
            "majority": value_of(metric, [most_frequent(seen)] * len(references), references, language),
        }

    def shown_gold(self, row: Mapping[str, Any], reference: Sequence[str]) -> str:
        return " / ".join(dict.fromkeys(reference))

    def buckets(
        self, task: Task, found: Mapping[str, Compared], trained_on: Callable[[], Sequence[Any]]
    ) -> list[dict[str, Any]]:
        return by_attribute(
            task.metric,
            {language: [attributes(example) for example in one.split] for language, one in found.items()},
            {language: one.predictions for language, one in found.items()},
            {language: one.references for language, one in found.items()},
        )

    def file_format(self, task: Task) -> Format:
        return ANSWERS


def _of_texts(answers: Any) -> bool:
    """Whether gold answers have a shape that :func:`gold_texts` reads."""
    if isinstance(answers, Mapping):
        answers = answers.get("text")
    if not isinstance(answers, Iterable):
        return False
    inner = [one.get("text") if isinstance(one, Mapping) else one for one in answers]
    return all(isinstance(one, str) for one in inner)


def attributes(example: Mapping[str, Any]) -> dict[str, float]:
    """Lengths of question, context and answer, and the share of the question's words that the context has."""
    question, context = words(example["question"]), words(example["context"])
    known = {word.lower() for word in context}
    shared = [word for word in question if word.lower().strip("?¿؟？") in known]
    return {
        "question_length": float(len(question)),
        "context_length": float(len(context)),
        "answer_length": float(len(words((example["answers"]["text"] or [""])[0]))),
        "overlap": len(shared) / len(question) if question else 0.0,
    }


KIND = SpanQA()
