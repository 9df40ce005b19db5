"""Test cases of CheckList (Ribeiro et al. 2020): one passes if each of its questions is answered right.

Right is what MultiCheckList calls so (Ruder et al. 2021; ``multichecklist/`` of google-research/xtreme):
equal to the answer once both have lost the language's articles, and blanks and marks at their ends. Upper
case counts. A language's score is the mean over its tests of the share of cases that pass: 100 less the
mean of the error rates that are published.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np

from mlflow_xfer.errors import XferError
from mlflow_xfer.kinds.span_qa.metrics import gold_texts
from mlflow_xfer.scoring.score import Metric, paired, ratio

# As published. Whole words:
ARTICLES = {
    "de": "ein eine einen",
    "el": "Ο ένα μια",
    "en": "a an the in at",
    "es": "un una unos unas el la los las",
    "eu": "bat",
    "fa": "یک",
    "fr": "un une le la en",
    "hu": "egy",
    "it": "un una",
    "nl": "een",
    "pt": "um uma",
    "tl": "Si",
    "tr": "bir",
    "vi": "một",
    "wo": "dafa",
    "yo": "kan",
}
# Where a word begins, whatever follows:
PREFIXES = {
    "bn": "একটি একজন",
    "hi": "एक",
    "ml": "ഒരു",
    "mr": "एक",
    "my": "တစ်ဦး",
    "pa": "ਇੱਕ ਇਕ",
    "ta": "ஒரு",
}
SUFFIXES = {"af": "’n"}  # where a word ends
ANYWHERE = {"ar": "ال"}
BLANKS_AND_MARKS = ",. "
MORE_MARKS = {"bn": "৷", "hi": "৷", "pa": "।", "pl": "„”", "ur": "\u200f"}


@cache
def _articles(language: str) -> re.Pattern[str] | None:
    for table, before, after in (
        (ARTICLES, r"\b", r"\b"),
        (PREFIXES, r"\b", ""),
        (SUFFIXES, "", r"\b"),
        (ANYWHERE, "", ""),
    ):
        if language in table:
            return re.compile(f"{before}({'|'.join(table[language].split())}){after}")
    return None


def clean(text: str, language: str) -> str:
    """``text`` without the articles of ``language``, and without blanks and marks at its ends."""
    articles = _articles(language)
    text = articles.sub(" ", text) if articles else text
    return text.strip(BLANKS_AND_MARKS + MORE_MARKS.get(language, ""))


def place_of(name: str) -> dict[str, str]:
    """Test and case of the question with the id ``name``, ``test/case/question``; nothing for other ids."""
    case, _, _ = name.rpartition("/")
    test, _, number = case.rpartition("/")
    return {"test": test, "case": case} if test and number else {}


def _right(prediction: Any, reference: Any, language: str, number: int) -> bool:
    golds = gold_texts(reference)
    if not golds or not all(isinstance(gold, str) for gold in golds):
        raise XferError(f"{language}: question {number} has no gold answer.", "Score with unstripped labels.")
    if prediction is not None and not isinstance(prediction, str):
        raise XferError(f"{language}: the answer to question {number} is not a text: {prediction!r:.80}.")
    said = None if prediction is None else clean(prediction, language)
    return any(said == clean(gold, language) for gold in golds)


def by_case(predictions: Sequence, references: Sequence, language: str) -> dict[str, dict[Any, list[bool]]]:
    """By test and case, which of its questions are answered right.

    A reference is what span questions have, or ``{text: […], test, case}``. A question without a case is one
    by itself, under the test ``""``.
    """
    paired(predictions, references, language, "answers")
    found: dict[str, dict[Any, list[bool]]] = {}
    for number, (prediction, reference) in enumerate(zip(predictions, references, strict=True), 1):
        place = reference if isinstance(reference, Mapping) else {}
        cases = found.setdefault(place.get("test", ""), {})
        right = _right(prediction, reference, language, number)
        cases.setdefault(place.get("case", number), []).append(right)
    return found


def _rows(predictions: Sequence, references: Sequence, language: str) -> np.ndarray:
    """``[cases, 2 · tests + 2]``: whether it passes and 1, each in the column of its test; questions that are
    answered right, and questions."""
    found = by_case(predictions, references, language)
    rows = []
    for place, cases in enumerate(found.values()):
        for right in cases.values():
            row = np.zeros(2 * len(found) + 2, np.int64)
            row[place], row[len(found) + place] = all(right), 1
            row[-2:] = sum(right), len(right)
            rows.append(row)
    return np.array(rows, np.int64).reshape(len(rows), 2 * len(found) + 2)


def _figures(sums: np.ndarray) -> dict[str, np.ndarray]:
    sums = np.asarray(sums)
    passed, cases = np.split(sums[..., :-2], 2, axis=-1)
    there = np.maximum((cases > 0).sum(axis=-1), 1)  # a bootstrap sample may lack a test
    score = ratio(passed, cases).sum(axis=-1) / there
    return {
        "cases_passed": score,
        "error_rate": 100.0 - score,
        "questions_right": ratio(sums[..., -2], sums[..., -1]),
    }


CASES_PASSED = Metric(
    "cases_passed",
    _rows,
    _figures,
    ("cases_passed",),
    description="mean over tests of the share of cases with all questions right (MultiCheckList)",
)
