"""Tagging: one of the task's labels for each word, read at one of its subwords."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain, pairwise
from typing import Any

import numpy as np
from torch import Tensor

from mlflow_xfer.data.encoded import IGNORED, Encoded
from mlflow_xfer.kinds.tagging.schemes import BARE, XTREME, spans
from mlflow_xfer.models.heads import label_loss_sum
from mlflow_xfer.models.standard import Labelled
from mlflow_xfer.tasks.task import Task
from mlflow_xfer.training.batches import Reading, padded, per_token
from mlflow_xfer.training.label_free import information
from mlflow_xfer.training.predict import allowed_labels, in_one_stream, outputs
from mlflow_xfer.training.selection import accuracy, is_chance


class Tagging(Labelled):
    name = "tagging"
    auto = "AutoModelForTokenClassification"
    architectures = "MODEL_FOR_TOKEN_CLASSIFICATION_MAPPING_NAMES"
    of_encoders = True

    def inputs(self, encoded: Encoded, rows: Sequence[int], how: Reading) -> dict[str, Tensor]:
        return padded(encoded, rows, how)

    def targets(
        self, encoded: Encoded, rows: Sequence[int], inputs: Mapping[str, Tensor]
    ) -> tuple[dict[str, Tensor], int]:
        labels = per_token(encoded, "token_label", rows, inputs["input_ids"].shape[1], IGNORED)
        return {"labels": labels}, max(1, int((labels != IGNORED).sum()))

    def loss_sum(self, output: Any, targets: Mapping[str, Tensor]) -> Tensor:
        return label_loss_sum(output.logits, targets["labels"])

    def answers(
        self,
        head: Any,
        task: Task,
        encoded: Mapping[str, Encoded],
        splits: Mapping[str, Any],
        how: Reading,
        token_budget: int,
    ) -> dict[str, list]:
        """A list of tag names for each example, one for each of its words, always."""
        return in_one_stream(encoded, lambda together: _tags(head, task, together, how, token_budget))

    def dev_score(self, task: Task, predictions: Sequence, references: Sequence) -> float:
        """F1 over entities where tags mark some, else accuracy over words."""
        scheme = task.option("scheme")
        if scheme != XTREME and (scheme != BARE or "O" in task.labels):
            return entity_f1(predictions, references, lambda tags: spans(tags, scheme))
        if scheme == XTREME and any(label.startswith("B-") for label in task.labels):
            return entity_f1(predictions, references)
        return accuracy(list(chain.from_iterable(predictions)), list(chain.from_iterable(references)))

    def is_collapsed(self, task: Task, predictions: Sequence, references: Sequence) -> bool:
        return is_chance(list(chain.from_iterable(predictions)), list(chain.from_iterable(references)))

    def probabilities(
        self, head: Any, task: Task, encoded: Encoded, how: Reading, token_budget: int
    ) -> np.ndarray:
        """Of words, each read in exactly one window; padding and special tokens are no words."""
        _, allowed = allowed_labels(head, task)
        starts, is_word = np.asarray(encoded.starts), np.asarray(encoded.columns["token_word"]) >= 0
        kept = np.cumsum(is_word) - 1  # the place of a token among the words
        shares = np.zeros((int(is_word.sum()), int(allowed.sum())), np.float32)
        for rows, output in outputs(head, task, encoded, how, token_budget):
            logits = output.logits.float()[..., allowed.to(output.logits.device)]
            sure = logits.softmax(-1).cpu().numpy()
            for i, row in enumerate(rows):
                words = np.flatnonzero(is_word[starts[row] : starts[row + 1]])
                shares[kept[starts[row] + words]] = sure[i, words]
        return shares.astype(np.float64)

    def signal(self, head: Any, task: Task, encoded: Encoded, how: Reading, token_budget: int) -> float:
        return information(self.probabilities(head, task, encoded, how, token_budget))

    def units(
        self, states: Tensor, mask: Tensor, encoded: Encoded, rows: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Each word: the subword that its tag is read at."""
        width = states.shape[1]
        at = per_token(encoded, "token_word", rows.tolist(), width, -1) >= 0
        labels = per_token(encoded, "token_label", rows.tolist(), width, IGNORED)
        return states.cpu()[at].numpy(), labels[at].numpy()


def _tags(head: Any, task: Task, encoded: Encoded, how: Reading, token_budget: int) -> list[list[str]]:
    """One tag for every word: each word is read in exactly one window."""
    names, allowed = allowed_labels(head, task)
    best = np.zeros(len(encoded.tokens), np.int64)
    starts = np.asarray(encoded.starts)
    for rows, output in outputs(head, task, encoded, how, token_budget):
        logits = output.logits.float().masked_fill(~allowed.to(output.logits.device), float("-inf"))
        tags = logits.argmax(-1).cpu().numpy()
        for i, row in enumerate(rows):
            best[starts[row] : starts[row + 1]] = tags[i, : starts[row + 1] - starts[row]]
    word, example = np.asarray(encoded.columns["token_word"]), np.asarray(encoded.columns["example"])
    asked = np.flatnonzero(word >= 0)
    of = np.repeat(example, np.diff(starts))[asked]
    order = np.lexsort((word[asked], of))
    tags, of = best[asked][order], of[order]
    cuts = np.searchsorted(of, np.arange(encoded.counts["examples"] + 1))
    return [[names[t] for t in tags[begin:end]] for begin, end in pairwise(cuts)]


def entity_f1(
    predictions: Sequence[Sequence[str]],
    references: Sequence[Sequence[str]],
    find: Callable[[Sequence[str]], Iterable[tuple[str, int, int]]] | None = None,
) -> float:
    """Micro F1 over entities; an I- that continues nothing begins an entity (CoNLL-2003's conlleval)."""
    find = find or entities
    predicted, gold = (
        {(i, *e) for i, tags in enumerate(side) for e in find(tags)} for side in (predictions, references)
    )
    if not predicted and not gold:
        return 100.0
    return 200.0 * len(predicted & gold) / (len(predicted) + len(gold))


def entities(tags: Sequence[str]) -> list[tuple[str, int, int]]:
    """(type, first word, word after the last) of each entity in BIO tags."""
    spans: list[tuple[str, int, int]] = []
    for i, tag in enumerate(tags):
        prefix, _, kind = tag.partition("-")
        if prefix == "I" and spans and spans[-1][0] == kind and spans[-1][2] == i:
            spans[-1] = (kind, spans[-1][1], i + 1)
        elif prefix in ("B", "I"):
            spans.append((kind, i, i + 1))
    return spans


KIND = Tagging()
