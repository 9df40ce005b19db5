"""How well a model tells things apart in a language without labels: the signal of ``select_by=label_free``.

Mutual information of input and answer (Krause et al. 2010; as information maximisation in Shi & Sha 2012;
among the validators that Musgrave et al. 2022 compare): the entropy of the mean answer minus the mean entropy
of the answers. It is high if the model is sure of each answer and gives all of them; a model that is sure of
always the same one gets 0, which plain confidence would miss. It needs neither labels nor parallel text.
``benchmarks/selection.py`` measures it beside other signals.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from mlflow_xfer.data.encoded import Encoded
from mlflow_xfer.kinds import kind
from mlflow_xfer.tasks.task import Task
from mlflow_xfer.training.predict import TOKEN_BUDGET, reading_of


def signals(
    model: Any,
    tokenizer: Any,
    task: Task,
    encoded: Mapping[str, Encoded],
    token_budget: int = TOKEN_BUDGET,
) -> dict[str, float]:
    """By language, how well the model tells the rows apart, 0-100. Reads no labels.

    Mutual information in percent of the most that the number of answers allows. Span QA has no answers in
    common to all rows: there it is how sure begin and end are, in percent.
    """
    how, made = reading_of(model, tokenizer), kind.model(task.kind)
    return {language: made.signal(model, task, rows, how, token_budget) for language, rows in encoded.items()}


def information(answers: np.ndarray) -> float:
    """Mutual information of item and answer from distributions [items, answers], in
    percent of log(answers)."""
    gained = entropy(answers.mean(axis=0)) - entropy(answers).mean()
    return 100.0 * float(max(gained, 0.0)) / math.log(answers.shape[1])


def entropy(probabilities: np.ndarray) -> np.ndarray:
    """In nats, over the last dimension."""
    return -np.sum(probabilities * np.log(np.clip(probabilities, 1e-30, None)), axis=-1)


def distributions(
    model: Any,
    tokenizer: Any,
    task: Task,
    encoded: Mapping[str, Encoded],
    token_budget: int = TOKEN_BUDGET,
) -> dict[str, np.ndarray]:
    """By language, the answers' probabilities [items, answers]: of examples, or of words
    where words are tagged."""
    how, made = reading_of(model, tokenizer), kind.model(task.kind)
    return {
        language: made.probabilities(model, task, rows, how, token_budget)
        for language, rows in encoded.items()
    }
