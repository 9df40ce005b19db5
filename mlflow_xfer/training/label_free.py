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
import torch
from torch import nn

from mlflow_xfer.data.encoded import Encoded
from mlflow_xfer.models.heads import without_missing
from mlflow_xfer.models.load import is_decoder
from mlflow_xfer.tasks.task import Task, TaskKind
from mlflow_xfer.training.batches import Reading, per_token, reading
from mlflow_xfer.training.predict import TOKEN_BUDGET, allowed_labels, best_spans, outputs


def signals(
    model: nn.Module,
    tokenizer: Any,
    task: Task,
    encoded: Mapping[str, Encoded],
    token_budget: int = TOKEN_BUDGET,
) -> dict[str, float]:
    """By language, how well the model tells the rows apart, 0-100. Reads no labels.

    Mutual information in percent of the most that the number of answers allows. Span QA has no answers in
    common to all rows: there it is how sure begin and end are, in percent.
    """
    where = next(model.parameters()).device
    how = reading(tokenizer, model.config, is_decoder(model.config), where.type == "cuda")
    if task.kind == TaskKind.SPAN_QA:
        return {
            language: 100.0 * float(np.mean(_sure_spans(model, task, rows, how, token_budget)))
            for language, rows in encoded.items()
        }
    return {
        language: information(DISTRIBUTIONS[task.kind](model, task, rows, how, token_budget))
        for language, rows in encoded.items()
    }


def information(answers: np.ndarray) -> float:
    """Mutual information of item and answer from distributions [items, answers], in
    percent of log(answers)."""
    gained = entropy(answers.mean(axis=0)) - entropy(answers).mean()
    return 100.0 * float(max(gained, 0.0)) / math.log(answers.shape[1])


def entropy(probabilities: np.ndarray) -> np.ndarray:
    """In nats, over the last dimension."""
    return -np.sum(probabilities * np.log(np.clip(probabilities, 1e-30, None)), axis=-1)


def distributions(
    model: nn.Module,
    tokenizer: Any,
    task: Task,
    encoded: Mapping[str, Encoded],
    token_budget: int = TOKEN_BUDGET,
) -> dict[str, np.ndarray]:
    """By language, the answers' probabilities [items, answers]: of examples, or of words
    where words are tagged."""
    where = next(model.parameters()).device
    how = reading(tokenizer, model.config, is_decoder(model.config), where.type == "cuda")
    return {
        language: DISTRIBUTIONS[task.kind](model, task, rows, how, token_budget)
        for language, rows in encoded.items()
    }


def _of_classes(
    model: nn.Module, task: Task, encoded: Encoded, how: Reading, token_budget: int
) -> np.ndarray:
    _, allowed = allowed_labels(model, task)
    found = np.zeros((len(encoded), int(allowed.sum())))
    for rows, output in outputs(model, task, encoded, how, token_budget):
        found[rows] = output.logits.float()[:, allowed.to(output.logits.device)].softmax(-1).cpu().numpy()
    return found


def _of_tags(model: nn.Module, task: Task, encoded: Encoded, how: Reading, token_budget: int) -> np.ndarray:
    """Of words, each read in exactly one window; padding and special tokens are no words."""
    _, allowed = allowed_labels(model, task)
    starts, is_word = np.asarray(encoded.starts), np.asarray(encoded.columns["token_word"]) >= 0
    kept = np.cumsum(is_word) - 1  # the place of a token among the words
    found = np.zeros((int(is_word.sum()), int(allowed.sum())), np.float32)
    for rows, output in outputs(model, task, encoded, how, token_budget):
        sure = output.logits.float()[..., allowed.to(output.logits.device)].softmax(-1).cpu().numpy()
        for i, row in enumerate(rows):
            words = np.flatnonzero(is_word[starts[row] : starts[row + 1]])
            found[kept[starts[row] + words]] = sure[i, words]
    return found.astype(np.float64)


def _of_choices(
    model: nn.Module, task: Task, encoded: Encoded, how: Reading, token_budget: int
) -> np.ndarray:
    choices = np.asarray(encoded.columns["choices"])
    found = np.zeros((len(encoded), int(choices.max())))
    for rows, output in outputs(model, task, encoded, how, token_budget):
        available = torch.from_numpy(choices[rows]).to(output.logits.device)
        sure = without_missing(output.logits.float(), available).softmax(-1).cpu().numpy()
        found[rows, : sure.shape[1]] = sure[:, : found.shape[1]]
    return found


def _sure_spans(
    model: nn.Module, task: Task, encoded: Encoded, how: Reading, token_budget: int
) -> np.ndarray:
    """1 - entropy of begin and end in percent of the most possible, in the window that
    holds an example's best span."""
    n = encoded.counts["examples"]
    best, found = np.full(n, -np.inf), np.zeros(n)
    examples = np.asarray(encoded.columns["example"])
    for rows, output in outputs(model, task, encoded, how, token_budget):
        begins = per_token(encoded, "token_begin", rows.tolist(), output.start_logits.shape[1], -1)
        inside = (begins >= 0).to(output.start_logits.device)
        _, _, scores = best_spans(output.start_logits.float(), output.end_logits.float(), inside)
        ends = [
            logits.float().masked_fill(~inside, float("-inf")).softmax(-1).cpu().numpy()
            for logits in (output.start_logits, output.end_logits)
        ]
        unsure = sum(entropy(np.nan_to_num(end)) for end in ends)
        most = 2 * np.log(np.maximum(inside.sum(-1).cpu().numpy(), 2))
        for row, score, value in zip(rows, scores.tolist(), 1 - unsure / most, strict=True):
            if score > best[examples[row]]:
                best[examples[row]], found[examples[row]] = score, value
    return found


DISTRIBUTIONS = {
    TaskKind.CLASSIFICATION: _of_classes,
    TaskKind.TAGGING: _of_tags,
    TaskKind.MULTIPLE_CHOICE: _of_choices,
}
