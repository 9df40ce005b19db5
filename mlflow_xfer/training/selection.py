"""Scores that choose a checkpoint: plain, on dev, and independent of what reports print.

Training must not depend on ``mlflow_xfer.scoring``: a correction of a reported metric would otherwise retrain
everything. All are 0-100 and the higher the better, but for language models, whose loss counts negatively.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import chain

from mlflow_xfer.tasks.task import Task, TaskKind

HIGHER, LOWER = 1.0, -1.0


def dev_score(task: Task, predictions: Sequence, references: Sequence) -> float:
    """Accuracy; for tags with B- and I- prefixes entity F1; for answers token F1; for ranked lists their mean
    average precision. 0-100."""
    if task.metric == "map_at_20":
        return mean_average_precision(predictions, references)
    if task.kind == TaskKind.RETRIEVAL:
        return accuracy(predictions, range(len(references)))
    if task.kind == TaskKind.TAGGING:
        if any(label.startswith("B-") for label in task.labels):
            return entity_f1(predictions, references)
        return accuracy(list(chain.from_iterable(predictions)), list(chain.from_iterable(references)))
    if task.kind == TaskKind.SPAN_QA:
        return token_f1(predictions, references)
    return accuracy(predictions, references)


def accuracy(predictions: Sequence, references: Sequence) -> float:
    return 100.0 * sum(p == r for p, r in zip(predictions, references, strict=True)) / max(len(references), 1)


def entity_f1(predictions: Sequence[Sequence[str]], references: Sequence[Sequence[str]]) -> float:
    """Micro F1 over entities; an I- that continues nothing begins an entity (CoNLL-2003's conlleval)."""
    found, gold = (
        {(i, *e) for i, tags in enumerate(side) for e in entities(tags)} for side in (predictions, references)
    )
    if not found and not gold:
        return 100.0
    return 200.0 * len(found & gold) / (len(found) + len(gold))


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


def mean_average_precision(
    predictions: Sequence[Sequence | None], references: Sequence[Sequence | None]
) -> float:
    """Over the queries (rows with a reference): the mean of the precision at each hit over the number of
    right ones, those that do not fit into the list aside."""
    values = []
    for ranked, gold in zip(predictions, references, strict=True):
        if gold:
            ranked = list(dict.fromkeys(ranked or ()))
            hits = [rank for rank, name in enumerate(ranked, 1) if name in set(gold)]
            values.append(
                sum(n / rank for n, rank in enumerate(hits, 1)) / min(len(set(gold)), max(len(ranked), 1))
            )
    return 100.0 * sum(values) / max(len(values), 1)


def combined(scores: Mapping[str, Mapping[str, float]], lm: Sequence[str] = ()) -> float | None:
    """One figure of a checkpoint: the plain mean over tasks (jiant's EqualMetricAggregator)
    of their English dev score.

    A task without English dev counts with the mean of its languages. ``lm`` names language models, whose loss
    counts only where there is no other task: losses and scores do not mix.
    """

    def english(languages: Mapping[str, float]) -> float:
        return languages["en"] if "en" in languages else sum(languages.values()) / len(languages)

    scored = {name: english(languages) for name, languages in scores.items() if languages}
    tasks = [value for name, value in scored.items() if name not in lm]
    if tasks:
        return sum(tasks) / len(tasks)
    losses = [-value for name, value in scored.items() if name in lm]
    return sum(losses) / len(losses) if losses else None


def is_collapsed(task: Task, predictions: Sequence, references: Sequence) -> bool:
    """Whether predictions do no better than always the commonest label, by more than a standard error.

    Fine-tuning large models sometimes ends at chance (protocol 13.15); such runs are flagged, never dropped.
    Retrieval: whether all queries get the same answer.
    """
    if task.kind == TaskKind.RETRIEVAL:
        found = [str(answer) for answer, gold in zip(predictions, references, strict=True) if gold]
        return len(found) > 1 and len(set(found)) == 1
    if task.kind == TaskKind.TAGGING:
        predictions, references = (
            list(chain.from_iterable(predictions)),
            list(chain.from_iterable(references)),
        )
    if task.kind == TaskKind.SPAN_QA or not references:
        return False
    commonest = Counter(references).most_common(1)[0][1] / len(references)
    error = math.sqrt(commonest * (1 - commonest) / len(references))
    return accuracy(predictions, references) / 100 <= commonest + error
