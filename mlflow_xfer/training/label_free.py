"""How good a model is in a language without labels, guessed from how sure it is there.

Average thresholded confidence (Garg et al. 2022, arXiv 2201.04234): choose the threshold above which the share of
labelled source rows equals the score reached on them; the share of unlabelled target rows above it is the estimate.
Confidence is the negative entropy of the answer's distribution, of which they found the estimates best. It needs no
parallel text and no second model, and unlike plain confidence a model that is sure and wrong at home gains nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mlflow_xfer.data.encoded import Encoded
from mlflow_xfer.models.heads import without_missing
from mlflow_xfer.models.load import is_decoder
from mlflow_xfer.tasks.task import Task, TaskKind
from mlflow_xfer.training.batches import Reading, per_token, reading
from mlflow_xfer.training.predict import TOKEN_BUDGET, allowed_labels, best_spans, outputs


def estimates(source: np.ndarray, score: float, targets: Mapping[str, np.ndarray]) -> dict[str, float]:
    """Estimated score by target language, 0-100.

    Args:
        source: confidences on labelled rows of the source language [items].
        score: what the model reaches there, 0-100.
        targets: by language, confidences on unlabelled rows.
    """
    limit = threshold(source, score)
    return {language: 100.0 * float(np.mean(found >= limit)) for language, found in targets.items()}


def threshold(source: np.ndarray, score: float) -> float:
    """The confidence that ``score`` percent of the source items reach; infinite for none of them."""
    passing = round(len(source) * score / 100.0)
    return float(np.sort(source)[len(source) - passing]) if passing else float("inf")


def confidences(model: nn.Module, tokenizer: Any, task: Task, encoded: Mapping[str, Encoded], token_budget: int = TOKEN_BUDGET) -> dict[str, np.ndarray]:
    """By language, the confidence in each answer: of an example, or of a word where words are tagged. Reads no labels."""
    where = next(model.parameters()).device
    how = reading(tokenizer, model.config, is_decoder(model.config), where.type == "cuda")
    return {language: CONFIDENCES[task.kind](model, task, rows, how, token_budget) for language, rows in encoded.items()}


def certainty(logits: Tensor) -> Tensor:
    """Negative entropy in nats over the last dimension; entries of minus infinity count for nothing."""
    logs = torch.log_softmax(logits.float(), dim=-1)
    return (logs.exp() * logs.masked_fill(logs.isinf(), 0.0)).sum(dim=-1)


def _of_classes(model: nn.Module, task: Task, encoded: Encoded, how: Reading, token_budget: int) -> np.ndarray:
    _, allowed = allowed_labels(model, task)
    found = np.zeros(len(encoded), np.float64)
    for rows, output in outputs(model, task, encoded, how, token_budget):
        logits = output.logits.float().masked_fill(~allowed.to(output.logits.device), float("-inf"))
        found[rows] = certainty(logits).cpu().numpy()
    return found


def _of_tags(model: nn.Module, task: Task, encoded: Encoded, how: Reading, token_budget: int) -> np.ndarray:
    _, allowed = allowed_labels(model, task)
    found, starts = np.zeros(len(encoded.tokens), np.float64), np.asarray(encoded.starts)
    for rows, output in outputs(model, task, encoded, how, token_budget):
        logits = output.logits.float().masked_fill(~allowed.to(output.logits.device), float("-inf"))
        sure = certainty(logits).cpu().numpy()
        for i, row in enumerate(rows):
            found[starts[row] : starts[row + 1]] = sure[i, : starts[row + 1] - starts[row]]
    return found[np.asarray(encoded.columns["token_word"]) >= 0]


def _of_choices(model: nn.Module, task: Task, encoded: Encoded, how: Reading, token_budget: int) -> np.ndarray:
    found = np.zeros(len(encoded), np.float64)
    for rows, output in outputs(model, task, encoded, how, token_budget):
        available = torch.from_numpy(np.asarray(encoded.columns["choices"])[rows]).to(output.logits.device)
        found[rows] = certainty(without_missing(output.logits.float(), available)).cpu().numpy()
    return found


def _of_spans(model: nn.Module, task: Task, encoded: Encoded, how: Reading, token_budget: int) -> np.ndarray:
    """Negative entropy of begin and end together, in the window that holds an example's best span."""
    n = encoded.counts["examples"]
    best, found = np.full(n, -np.inf), np.zeros(n, np.float64)
    examples = np.asarray(encoded.columns["example"])
    for rows, output in outputs(model, task, encoded, how, token_budget):
        begins = per_token(encoded, "token_begin", rows.tolist(), output.start_logits.shape[1], -1)
        inside = (begins >= 0).to(output.start_logits.device)
        _, _, scores = best_spans(output.start_logits.float(), output.end_logits.float(), inside)
        sure = sum(certainty(logits.float().masked_fill(~inside, float("-inf"))) for logits in (output.start_logits, output.end_logits))
        for row, score, value in zip(rows, scores.tolist(), sure.tolist(), strict=True):
            if score > best[examples[row]]:
                best[examples[row]], found[examples[row]] = score, value
    return found


CONFIDENCES = {
    TaskKind.CLASSIFICATION: _of_classes,
    TaskKind.TAGGING: _of_tags,
    TaskKind.MULTIPLE_CHOICE: _of_choices,
    TaskKind.SPAN_QA: _of_spans,
}
