"""How test cases are judged: by those that pass, in each test; filed by the question's id."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from heapq import nsmallest
from pathlib import Path
from typing import Any

from mlflow_xfer.kinds.span_cases.cases import CASES_PASSED, by_case, place_of
from mlflow_xfer.kinds.span_qa.metrics import gold_texts
from mlflow_xfer.kinds.span_qa.scoring import Answers, SpanQA
from mlflow_xfer.scoring.buckets import Bucket, as_rows
from mlflow_xfer.scoring.evaluation import Compared, Predictor, Splits
from mlflow_xfer.scoring.formats import Format, Warn
from mlflow_xfer.tasks.task import Task


class AnswersInCases(Answers):
    """As for span questions; the ids of the labels say test and case."""

    def aligned(
        self,
        task: Task,
        predictions: Mapping[str, str],
        labels: list[tuple[str, list[str]]],
        files: tuple[Path, Path],
        warn: Warn,
    ) -> tuple[Sequence, Sequence]:
        said, golds = super().aligned(task, predictions, labels, files, warn)
        return said, in_cases([name for name, _ in labels], golds)


ANSWERS = AnswersInCases()


class SpanCases(SpanQA):
    name = "span_cases"
    metrics = {CASES_PASSED.name: CASES_PASSED}

    def splits(
        self, task: Task, read: Sequence[tuple[Any, Any]], limit: int | None, scored: Sequence
    ) -> Splits:
        return Splits({rows.language: whole_cases(split, limit) for rows, split in read})

    def evaluation(self, task: Task, splits: Splits, predictor: Predictor) -> dict[str, Compared]:
        found = super().evaluation(task, splits, predictor)
        return {language: _judged(language, one) for language, one in found.items()}

    def given(self, task: Task, language: str, table: Any) -> Compared | None:
        found = super().given(task, language, table)
        if found is None or "id" not in table:
            return found
        return replace(found, references=in_cases(list(map(str, table["id"])), found.references))

    def shown_gold(self, row: Mapping[str, Any], reference: Any) -> str:
        return super().shown_gold(row, gold_texts(reference))

    def examples(self, task: Task, language: str, found: Compared, limit: int) -> list[dict[str, Any]]:
        """Questions, each right or wrong by itself."""
        alone = [gold_texts(reference) for reference in found.references]
        return super().examples(task, language, replace(found, references=alone), limit)

    def buckets(
        self, task: Task, found: Mapping[str, Compared], trained_on: Callable[[], Sequence[Any]]
    ) -> list[dict[str, Any]]:
        """One for each test, from the fewest to the most questions of a case."""
        table: list[dict[str, Any]] = []
        for language, one in found.items():
            for test, cases in by_case(one.predictions, one.references, language).items():
                sizes = [len(right) for right in cases.values()]
                bucket = Bucket(float(min(sizes)), float(max(sizes)), len(cases), _passed(cases))
                table += as_rows(language, test, [bucket])
        return table

    def file_format(self, task: Task) -> Format:
        return ANSWERS


def in_cases(names: Sequence[str], golds: Sequence[Any]) -> list[dict[str, Any]]:
    """Right answers with the test and the case that the ids of their questions say."""
    return [{"text": gold_texts(gold)} | place_of(name) for name, gold in zip(names, golds, strict=True)]


def whole_cases(split: Any, limit: int | None) -> Any:
    """The rows of at most ``limit`` cases, in their order; None: all."""
    cases = [place_of(name).get("case") or name for name in map(str, split["id"][:])]
    names = dict.fromkeys(cases)
    if limit is None or limit >= len(names):
        return split
    kept = set(nsmallest(limit, names, key=lambda name: hashlib.blake2b(name.encode()).digest()))
    return split.select([number for number, case in enumerate(cases) if case in kept])


def _judged(language: str, one: Compared) -> Compared:
    """With the error rate of each test beside the language's score."""
    one = replace(one, references=in_cases(one.ids, one.references))
    tests = by_case(one.predictions, one.references, language)
    more = {f"error_{test}": 100.0 - _passed(cases) for test, cases in tests.items() if test}
    return replace(one, more=more | {"questions": len(one.ids)})


def _passed(cases: Mapping[Any, Sequence[bool]]) -> float:
    return 100.0 * sum(map(all, cases.values())) / len(cases)


KIND = SpanCases()
