"""A whole evaluation, for kinds with one answer an example: answers beside gold
answers, and the table's rows."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from mlflow_xfer.errors import XferError, few
from mlflow_xfer.kinds import kind
from mlflow_xfer.scoring.baselines import baselines
from mlflow_xfer.scoring.problems import no_answers
from mlflow_xfer.scoring.score import judging, score
from mlflow_xfer.tasks.task import Task

_log = logging.getLogger(__name__)
SHOWN = 1000  # characters of an example's text in a table


@dataclass(frozen=True)
class Splits:
    """The data sets of an evaluation by language.

    Attributes:
        tests: what is scored.
        devs: what thresholds are chosen on.
        beside: what only offers candidates.
    """

    tests: Mapping[str, Any]
    devs: Mapping[str, Any] = field(default_factory=dict)
    beside: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Compared:
    """The predictions of one language beside what is right, as the task's metric takes them.

    Attributes:
        options: what a random guess chooses from; None: what the references hold.
        ids: of the examples, in the order of the predictions; none where these are no examples.
        split: the data set that was read.
        more: further cells of the language's row in the table.
    """

    predictions: Sequence[Any]
    references: Sequence[Any]
    options: Sequence[Any] | None = None
    ids: Sequence[str] = ()
    split: Any = None
    more: Mapping[str, Any] = field(default_factory=dict)


class Predictor(Protocol):
    """What a model makes of a task's splits, by split."""

    def answers(self, splits: Mapping[str, Any]) -> Mapping[str, Sequence[Any]]: ...

    def vectors(self, splits: Mapping[str, Any]) -> Mapping[str, Any]: ...


class Answered(kind.Scoring):
    """Kinds with one answer for each example.

    Attributes:
        gold: the column that holds the right answer.
        unanswered: whether a prediction may be missing (None).
        between: what stands between several texts or answers where they are shown.
    """

    gold = "label"
    unanswered = False
    between = " / "

    def options(self, task: Task, table: Any) -> Sequence[Any] | None:
        """What a random guess chooses from; ``table`` is a data set or a data frame."""
        return task.labels or None

    def value(self, given: Any) -> Any:
        """A prediction or reference as it stands in a user's table, as the metric takes it."""
        return given

    def values(self, task: Task, given: Sequence[Any]) -> list[Any]:
        """The predictions or references of a user's table, as the metric takes them."""
        return list(map(self.value, given))

    def right(self, task: Task, given: Sequence[Any]) -> list[Any]:
        """As :meth:`values`, for references alone; raises where they have another form than predictions."""
        return self.values(task, given)

    def shown(self, row: Mapping[str, Any], answer: Any) -> Any:
        """An answer to ``row`` as a reader wants it."""
        return answer

    def splits(
        self, task: Task, read: Sequence[tuple[Any, Any]], limit: int | None, scored: Sequence
    ) -> Splits:
        from mlflow_xfer.data.reading import subset

        return Splits({rows.language: subset(split, limit, 0) for rows, split in read})

    def evaluation(self, task: Task, splits: Splits, predictor: Predictor) -> dict[str, Compared]:
        answers, gold = predictor.answers(splits.tests), kind.data(self.name).gold(task, splits.tests)
        return {
            language: Compared(
                list(answers[language]),
                gold[language],
                self.options(task, split),
                list(split["id"][:]),
                split,
            )
            for language, split in splits.tests.items()
        }

    def shown_gold(self, row: Mapping[str, Any], reference: Any) -> Any:
        """What is right for ``row`` as a reader wants it."""
        return self.shown(row, reference)

    def examples(self, task: Task, language: str, found: Compared, limit: int) -> list[dict[str, Any]]:
        metric, texts = judging(task), kind.data(self.name).texts
        predicted, gold = found.predictions[:limit], found.references[:limit]
        scores = [None] * len(gold) if metric.sample else metric.of(metric.rows(predicted, gold, language))
        return [
            {
                "language": language,
                "id": one_id,
                "text": " | ".join(said for name in texts if (said := self._text(row.get(name))))[:SHOWN],
                "gold": self._text(self.shown_gold(row, right)),
                "predicted": self._text(None if answer is None else self.shown(row, answer)),
                "right": None if score is None else bool(answer == right or score > 100 - 1e-9),
            }
            for row, one_id, answer, right, score in zip(
                found.split.select(range(len(gold))), found.ids[:limit], predicted, gold, scores, strict=True
            )
        ]

    def _text(self, value: Any) -> str:
        if isinstance(value, list | tuple):
            return self.between.join(map(str, value))
        return "" if value is None else str(value)

    def columns(self, task: Task, language: str, references: Sequence) -> dict[str, list]:
        if any(value is None for value in references):
            raise XferError(f"{task.name} {language}: rows without a target cannot be scored.")
        return {self.gold: self.right(task, references)}

    def table_splits(self, task: Task, table: Any, split: Callable[[Any], Any]) -> Splits:
        return Splits(by_language(table, split))

    def given(self, task: Task, language: str, table: Any) -> Compared | None:
        predicted, gold = list(table["prediction"]), list(table["reference"])
        if any(value is None for value in gold):
            raise XferError(f"{task.name} {language}: rows without a target cannot be scored.")
        if not self.unanswered and any(value is None for value in predicted):
            raise XferError(
                f"{task.name} {language}: rows without a prediction.", "Only questions may go unanswered."
            )
        right = self.right(task, gold)
        odd = self.undeclared(task, right)
        if odd:
            raise XferError(
                f"{task.name} {language}: {len(odd)} targets are none of its labels, such as {odd[0]!r:.40}.",
                f"Labels: {few(task.labels, 12)}",
            )
        predictions = self.values(task, predicted)
        if self.alien(task, predictions):
            raise no_answers(f"{task.name} {language}", predictions, task)
        outside = self.undeclared(task, [one for one in predictions if one is not None])
        if outside:
            _log.warning(
                "%s %s: %d predicted labels are none of the task's, such as %r.",
                *(task.name, language, len(outside), outside[0]),
            )
        return Compared(predictions, right, self.options(task, table))

    def alien(self, task: Task, predictions: Sequence[Any]) -> bool:
        """Whether no prediction could be right: answers of another task, or spelled otherwise."""
        return False

    def undeclared(self, task: Task, right: Sequence[Any]) -> list[Any]:
        """Right answers that are not as the task declares them."""
        return []

    def predicted(
        self, task: Task, rows: Sequence[Mapping[str, Any]], predictor: Predictor
    ) -> list[dict[str, Any]]:
        from datasets import Dataset

        answers = predictor.answers({"": Dataset.from_list(list(map(dict, rows)))})[""]
        return [
            {name: value for name, value in row.items() if value is not None}
            | {"prediction": self.shown(row, answer)}
            for row, answer in zip(rows, answers, strict=True)
        ]


def by_language(table: Any, split: Callable[[Any], Any]) -> dict[str, Any]:
    """What ``split`` makes of a data frame's rows in each language."""
    return {str(language): split(rows) for language, rows in table.groupby("language", sort=False)}


def row(task: Task, language: str, result: Compared, *, seed: int = 0) -> dict[str, Any]:
    """One line of the per-language table; ``seed`` is the bootstrap's."""
    metric = judging(task)
    scored = score(metric, result.predictions, result.references, language, seed=seed)
    base = baselines(metric, result.references, None, result.options, language, task_kind=task.kind)
    return {
        "task": task.name,
        "language": language,
        "metric": task.metric,
        "score": scored.value,
        "low": scored.low,
        "high": scored.high,
        "n": scored.n,
        "chance": base["chance"],
        "majority": base["majority"],
        **{f"component_{name}": value for name, value in scored.components.items()},
    }
