"""Proxies of single intermediate tasks for a target.

English (the source language's) training and dev rows of the target are read, never its test rows. All scores
are the higher the better, and comparable only between tasks of one pool, for one target and method.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from mlflow_xfer.data import sources
from mlflow_xfer.errors import XferError
from mlflow_xfer.ranking.inputs import TaskData
from mlflow_xfer.stats.transferability import cosine, h_score, logme

FUSION = 60
"""The constant of reciprocal rank fusion (Cormack et al. 2009): components count with 1 / (60 + rank)."""


def size(data: TaskData, target: str) -> dict[str, float]:
    scores = {}
    for name, phase in data.singles.items():
        limit = phase.training.max_train_examples
        rows = data.tasks[name].size or len(data.part(name).train)
        scores[name] = float(min(rows, limit or rows))
    return scores


def kind(data: TaskData, target: str) -> dict[str, float]:
    return {name: float(data.tasks[name].kind == data.tasks[target].kind) for name in data.singles}


def text_emb(data: TaskData, target: str) -> dict[str, float]:
    base = data.base()
    wanted = data.features(base, target).text
    return {name: cosine(data.features(base, name).text, wanted) for name in data.singles}


def _foretelling(
    score: Callable[[np.ndarray, np.ndarray], float],
) -> Callable[[TaskData, str], dict[str, float]]:
    """The target's labels from each candidate's checkpoint;
    without them, from what reads the candidate's labels in the base.
    """

    def of(data: TaskData, target: str) -> dict[str, float]:
        if data.runs:
            seen = {name: data.labelled(data.checkpoint(name), target) for name in data.singles}
            return {name: score(vectors.vectors, vectors.labels) for name, vectors in seen.items()}
        seen = data.labelled(data.base(), target)
        return {name: score(_read_out(seen.vectors @ data.probe(name)), seen.labels) for name in data.singles}

    return of


def _read_out(values: np.ndarray) -> np.ndarray:
    """A probe's outputs on one scale, with a constant: LogME has no intercept of its own."""
    spread = values.std(axis=0)
    return np.column_stack(
        [(values - values.mean(axis=0)) / np.where(spread > 0, spread, 1.0), np.ones(len(values))]
    )


def few_shot(data: TaskData, target: str) -> dict[str, float]:
    phase, part = data.phase(target), data.part(target)
    part = replace(part, train=sources.subset(part.train, data.budget.shots, phase.seed))
    if not part.dev:
        raise XferError(
            f"few_shot: target {target!r} has no validation rows to be scored on.",
            "Give the task a validation split, or another method.",
        )
    scores = {}
    for name in data.singles:
        with tempfile.TemporaryDirectory() as folder:
            metrics = data.trained(data.checkpoint(name), part, phase, folder).metrics
        scores[name] = float(np.mean([metrics[f"dev/{part.task.name}/{language}"] for language in part.dev]))
    return scores


def task_emb(data: TaskData, target: str) -> dict[str, float]:
    from mlflow_xfer.training.fisher import similarities

    wanted = data.embedding(target)
    cosines = {name: similarities(data.embedding(name), wanted) for name in data.singles}
    scores = dict.fromkeys(cosines, 0.0)
    for component in wanted:
        ranked = sorted(cosines, key=lambda name: -cosines[name].get(component, 0.0))
        for place, name in enumerate(ranked, 1):
            scores[name] += 1 / (FUSION + place)
    return scores


def english(data: TaskData, target: str) -> dict[str, float]:
    gains = {}
    for name in data.singles:
        metrics = data.executor.store.get(data.runs[name]).metrics
        scores = [
            value
            for metric, value in metrics.items()
            if metric.startswith(f"dev/{name}/") and metric.endswith("/selected")
        ]
        if not scores:
            raise XferError(
                f"english: the run of {name!r} has no dev score: the task has no validation rows.",
                "Leave the task out, or choose another method.",
            )
        gains[name] = float(np.mean(scores))
    return gains


@dataclass(frozen=True)
class Proxy:
    """A score of a task for a target that is computed before the runs.

    ``params.RANK_METHODS`` says what it is, needs and costs.

    Attributes:
        score: (data, target) -> score of each candidate.
        rows: whether it reads the target's rows: targets scored straight from the backbone have none.
        checkpoints: whether it needs a finished checkpoint of each candidate.
    """

    score: Callable[[TaskData, str], dict[str, float]]
    rows: bool = True
    checkpoints: bool = False


PROXIES = {
    "size": Proxy(size, rows=False),
    "kind": Proxy(kind, rows=False),
    "text_emb": Proxy(text_emb),
    "logme": Proxy(_foretelling(logme)),
    "h_score": Proxy(_foretelling(h_score)),
    "task_emb": Proxy(task_emb),
    "few_shot": Proxy(few_shot, checkpoints=True),
    "english": Proxy(english, rows=False, checkpoints=True),
}
AUTO = ("logme", "h_score")
"""What ``auto`` fuses: on mini they order tasks best,
and a score that says nothing (text_emb there) spoils a fusion.
"""

AUTO_BARE = ("size",)
"""What ``auto`` does for targets without labelled training rows."""
