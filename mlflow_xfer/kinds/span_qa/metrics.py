"""Extractive question answering: exact match and token F1 after the benchmarks' normalisations.

XQuAD and TyDiQA-GoldP use SQuAD v1.1's (Rajpurkar et al. 2016): English articles and ASCII punctuation go in
every language, tokens are split at white space. MLQA (Lewis et al. 2020) has articles per language, strips
Unicode punctuation and splits Chinese into characters. Both take the best over the gold answers.
"""

from __future__ import annotations

import re
import string
import sys
import unicodedata
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from mlflow_xfer.errors import XferError
from mlflow_xfer.scoring.score import paired, ratio

_ENGLISH_ARTICLES = re.compile(r"\b(a|an|the)\b")
_ASCII_PUNCTUATION = str.maketrans("", "", string.punctuation)
# MLQA's expressions as published; the Arabic one removes the two letters wherever they stand.
_MLQA_ARTICLES = {
    "en": _ENGLISH_ARTICLES,
    "es": re.compile(r"\b(un|una|unos|unas|el|la|los|las)\b"),
    "de": re.compile(r"\b(ein|eine|einen|einem|eines|einer|der|die|das|den|dem|des)\b"),
    "vi": re.compile(r"\b(của|là|cái|chiếc|những)\b"),
    "ar": re.compile(r"\sال^|ال"),
    "hi": None,
    "zh": None,
}
_HAN = re.compile(r"([\u4e00-\u9fa5])")


def normalize_squad(text: str, language: str = "en") -> str:
    """Lower case; no ASCII punctuation; no a, an, the (in any language); single blanks."""
    text = _ENGLISH_ARTICLES.sub(" ", text.lower().translate(_ASCII_PUNCTUATION))
    return " ".join(text.split())


@lru_cache(maxsize=1)
def _punctuation() -> dict[int, None]:
    """Everything of Unicode category P, and ASCII's punctuation of which some is category S (``$``,
    ``+``)."""
    points = (i for i in range(sys.maxunicode) if unicodedata.category(chr(i)).startswith("P"))
    return dict.fromkeys([*points, *map(ord, string.punctuation)])


def normalize_mlqa(text: str, language: str) -> str:
    """Lower case; no Unicode punctuation; no articles of ``language``; Chinese by character; single blanks.

    Raises:
        XferError: for a language outside MLQA's seven.
    """
    if language not in _MLQA_ARTICLES:
        raise XferError(
            f"MLQA's normalisation does not know the language {language!r}.",
            f"It is defined for {', '.join(sorted(_MLQA_ARTICLES))}; "
            "other languages are scored with 'squad'.",
        )
    text = text.lower().translate(_punctuation())
    if _MLQA_ARTICLES[language]:
        text = _MLQA_ARTICLES[language].sub(" ", text)
    if language == "zh":
        text = _HAN.sub(r" \1 ", text)
    return " ".join(text.split())


def exact_and_f1(prediction: str, gold: str) -> tuple[float, float]:
    """EM and token F1 (0 or 1, 0-1) of two normalised texts; no common token is F1
    0, also for two empty ones."""
    predicted, wanted = prediction.split(), gold.split()
    common = sum((Counter(predicted) & Counter(wanted)).values())
    if not common:
        return float(prediction == gold), 0.0
    precision, recall = common / len(predicted), common / len(wanted)
    return float(prediction == gold), 2 * precision * recall / (precision + recall)


def gold_texts(answers: Any) -> list[str]:
    """The gold answers of one question, given as texts, as ``{"text": […]}`` or as ``[{"text": …}]``."""
    if isinstance(answers, str):
        return [answers]
    if isinstance(answers, Mapping):
        answers = answers.get("text", [])
        return [answers] if isinstance(answers, str) else list(answers)
    return [answer["text"] if isinstance(answer, Mapping) else answer for answer in answers]


def _rows(normalize: Callable[[str, str], str], predictions: Sequence, references: Sequence, language: str):
    """``[questions, 3]``: EM, F1, 1. A prediction of None (no answer was given) scores 0 for both."""
    paired(predictions, references, language, "answers")
    values = []
    for number, (prediction, answers) in enumerate(zip(predictions, references, strict=True), 1):
        golds = gold_texts(answers)
        if not golds or not all(isinstance(gold, str) for gold in golds):
            raise XferError(
                f"{language}: question {number} has no gold answer.", "Score with unstripped labels."
            )
        if prediction is None:
            values.append((0.0, 0.0, 1.0))
            continue
        if not isinstance(prediction, str):
            raise XferError(f"{language}: the answer to question {number} is not a text: {prediction!r:.80}.")
        prediction = normalize(prediction, language)
        pairs = [exact_and_f1(prediction, normalize(gold, language)) for gold in golds]
        values.append((max(em for em, _ in pairs), max(f for _, f in pairs), 1.0))
    return np.array(values, float).reshape(-1, 3)


def figures(sums: np.ndarray) -> dict[str, np.ndarray]:
    return {"exact_match": ratio(sums[..., 0], sums[..., 2]), "f1": ratio(sums[..., 1], sums[..., 2])}


def v2_rows(predictions: Sequence, references: Sequence, language: str) -> np.ndarray:
    """As ``_rows`` by SQuAD v2.0's script: no gold answer means that there is none, and "" says so."""
    paired(predictions, references, language, "answers")
    values = []
    for prediction, answers in zip(predictions, references, strict=True):
        golds = [text for text in (normalize_squad(gold) for gold in gold_texts(answers)) if text] or [""]
        mine = normalize_squad(prediction or "")
        if not mine or golds == [""]:
            values.append((float(mine in golds),) * 2 + (1.0,))
        else:
            pairs = [exact_and_f1(mine, gold) for gold in golds]
            values.append((max(em for em, _ in pairs), max(f for _, f in pairs), 1.0))
    return np.array(values, float).reshape(-1, 3)


def squad_rows(predictions: Sequence, references: Sequence, language: str) -> np.ndarray:
    return _rows(normalize_squad, predictions, references, language)


def mlqa_rows(predictions: Sequence, references: Sequence, language: str) -> np.ndarray:
    return _rows(normalize_mlqa, predictions, references, language)
