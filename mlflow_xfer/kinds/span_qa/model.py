"""Span questions: where in the context the answer begins and ends."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mlflow_xfer.data.encoded import Encoded
from mlflow_xfer.models.heads import cross_entropy
from mlflow_xfer.models.standard import Standard
from mlflow_xfer.tasks.task import Task
from mlflow_xfer.training.batches import Reading, column, padded, per_token
from mlflow_xfer.training.label_free import entropy
from mlflow_xfer.training.predict import in_one_stream, outputs

MAX_ANSWER = 30  # tokens (XTREME's run_squad.py)
NO_ANSWERS = "trained_without_answers"
"""Mark in a head's configuration: some of its training questions have no answer, so it may say so."""


class SpanQA(Standard):
    name = "span_qa"
    auto = "AutoModelForQuestionAnswering"
    architectures = "MODEL_FOR_QUESTION_ANSWERING_MAPPING_NAMES"
    marks = (NO_ANSWERS,)

    def head_config(self, task: Task, config: Any) -> Any:
        config = super().head_config(task, config)
        config.num_labels = 2  # start and end, whatever the backbone was trained on before
        return config

    def marked(self, task: Task, encoded: Encoded) -> dict[str, bool]:
        return {NO_ANSWERS: not np.all(encoded.columns["answered"])}

    def inputs(self, encoded: Encoded, rows: Sequence[int], how: Reading) -> dict[str, Tensor]:
        return padded(encoded, rows, how)

    def targets(
        self, encoded: Encoded, rows: Sequence[int], inputs: Mapping[str, Tensor]
    ) -> tuple[dict[str, Tensor], int]:
        return {name: column(encoded, name, rows) for name in ("start", "end")}, len(rows)

    def loss_sum(self, output: Any, targets: Mapping[str, Tensor]) -> Tensor:
        """Summed over begin and end, and halved."""
        begin = cross_entropy(output.start_logits, targets["start"])
        return (begin + cross_entropy(output.end_logits, targets["end"])) / 2

    def answers(
        self,
        head: Any,
        task: Task,
        encoded: Mapping[str, Encoded],
        splits: Mapping[str, Any],
        how: Reading,
        token_budget: int,
    ) -> dict[str, list]:
        """Texts out of the contexts; an empty one says that there is no answer."""
        contexts = [context for name in encoded for context in splits[name]["context"][:]]
        return in_one_stream(
            encoded, lambda together: _answers(head, task, together, how, token_budget, contexts)
        )

    def dev_score(self, task: Task, predictions: Sequence, references: Sequence) -> float:
        return token_f1(predictions, references)

    def signal(self, head: Any, task: Task, encoded: Encoded, how: Reading, token_budget: int) -> float:
        """How sure begin and end are, in percent: there are no answers in common to all rows."""
        return 100.0 * float(np.mean(_sureness(head, task, encoded, how, token_budget)))

    def units(
        self, states: Tensor, mask: Tensor, encoded: Encoded, rows: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Tokens of the answer, and as many others of the context, evenly spread; windows
        without an answer give none."""
        inside = (per_token(encoded, "token_begin", rows.tolist(), states.shape[1], -1) >= 0).numpy()
        first, last = (np.asarray(encoded.columns[name])[rows] for name in ("start", "end"))
        on_cpu, vectors, labels = states.cpu().numpy(), [], []
        for i, (a, b) in enumerate(zip(first, last, strict=True)):
            context = np.flatnonzero(inside[i])
            answer = context[(context >= a) & (context <= b)]
            others = np.setdiff1d(context, answer)
            if not len(answer) or not len(others):
                continue
            spread = others[
                np.unique(np.linspace(0, len(others) - 1, min(len(answer), len(others))).round().astype(int))
            ]
            vectors += [on_cpu[i, answer], on_cpu[i, spread]]
            labels += [np.ones(len(answer), np.int64), np.zeros(len(spread), np.int64)]
        if not vectors:
            return np.zeros((0, states.shape[-1]), np.float32), np.zeros(0, np.int64)
        return np.concatenate(vectors), np.concatenate(labels)


def _answers(
    head: Any,
    task: Task,
    encoded: Encoded,
    how: Reading,
    token_budget: int,
    contexts: Sequence[str],
) -> list[str]:
    """The best span of all windows of an example, cut out of its context by character offsets.

    Empty only where the head was trained on questions without an answer, and the best "not here" of the
    windows beats the best span (Devlin et al. 2019 §4.3, threshold 0).
    """
    n = encoded.counts["examples"]
    best, nothing = np.full(n, -np.inf), np.full(n, np.inf)
    where = np.zeros((n, 2), np.int64)
    examples = np.asarray(encoded.columns["example"])
    for rows, output in outputs(head, task, encoded, how, token_budget):
        width = output.start_logits.shape[1]
        begins, ends = (
            per_token(encoded, name, rows.tolist(), width, -1) for name in ("token_begin", "token_end")
        )
        inside = (begins >= 0).to(output.start_logits.device)
        first, last, score = best_spans(output.start_logits.float(), output.end_logits.float(), inside)
        lengths = torch.from_numpy(encoded.lengths[rows]).to(inside.device)
        here = torch.arange(len(rows), device=inside.device)
        null = lengths - 1 if how.decoder else torch.zeros_like(lengths)
        absent = (output.start_logits[here, null] + output.end_logits[here, null]).float().cpu().numpy()
        for i, (row, a, b, s) in enumerate(
            zip(rows, first.tolist(), last.tolist(), score.tolist(), strict=True)
        ):
            example = examples[row]
            nothing[example] = min(nothing[example], absent[i])
            if s > best[example]:
                best[example], where[example] = s, (begins[i, a], ends[i, b])
    may_be_empty = getattr(head.config, NO_ANSWERS, False)
    return [
        ""
        if not np.isfinite(best[i]) or (may_be_empty and nothing[i] > best[i])
        else contexts[i][where[i, 0] : where[i, 1]].strip()
        for i in range(n)
    ]


def best_spans(starts: Tensor, ends: Tensor, inside: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """(first token, last token, score), each [rows], of the best span of at most
    :data:`MAX_ANSWER` tokens ``inside``."""
    starts, ends = (logits.masked_fill(~inside, float("-inf")) for logits in (starts, ends))
    width = starts.shape[1]
    found = torch.stack(
        [
            nn.functional.pad(starts[:, : width - k] + ends[:, k:], (0, k), value=float("-inf"))
            for k in range(min(MAX_ANSWER, width))
        ],
        dim=1,
    )
    score, at = found.flatten(1).max(-1)
    first = at % width
    return first, first + at // width, score


def _sureness(head: Any, task: Task, encoded: Encoded, how: Reading, token_budget: int) -> np.ndarray:
    """1 - entropy of begin and end in percent of the most possible, in the window that
    holds an example's best span."""
    n = encoded.counts["examples"]
    best, found = np.full(n, -np.inf), np.zeros(n)
    examples = np.asarray(encoded.columns["example"])
    for rows, output in outputs(head, task, encoded, how, token_budget):
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


def token_f1(predictions: Sequence[str], references: Sequence[Sequence[str]]) -> float:
    """Mean of the best F1 over an example's answers, by blank-separated lower-case tokens."""

    def f1(a: str, b: str) -> float:
        left, right = Counter(a.lower().split()), Counter(b.lower().split())
        same = sum((left & right).values())
        return (
            2 * same / (sum(left.values()) + sum(right.values())) if same else float(not left and not right)
        )

    best = [
        max((f1(p, answer) for answer in answers), default=float(not p))
        for p, answers in zip(predictions, references, strict=True)
    ]
    return 100.0 * sum(best) / max(len(best), 1)


KIND = SpanQA()
