"""What the arms of a study are trained on: whether they are matched in size and labels, and how far their
texts are from the targets', as a covariate of what they gain."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from mlflow_xfer.data import sources
from mlflow_xfer.data.words import words
from mlflow_xfer.kinds import kind
from mlflow_xfer.phases.phase import Phase
from mlflow_xfer.phases.plan import Plan
from mlflow_xfer.stats import crossed
from mlflow_xfer.stats.estimate import Estimate, varies
from mlflow_xfer.stats.means import estimate
from mlflow_xfer.studies.scores import without_own_targets

if TYPE_CHECKING:
    from datasets import Dataset

FAR = "distance to "
FREE = 4  # what is left of arms by targets once both are centred, at least
STEP = 0.1  # of a divergence, which lies between 0 and 1: what a slope is said for


def described(plans: Mapping[str, Plan]) -> pd.DataFrame:
    """Of each arm with intermediate tasks, on the first seed: rows, words, bits of the labels' entropy, and
    the Jensen-Shannon divergence (in bits) of its words from those of each target's training data."""
    first = {name: plan.transfers[0] for name, plan in plans.items()}
    some = next(iter(first.values()))
    targets = {name: Counter(_words(phases[0])) for name, phases in some.targets.items() if len(phases) > 1}
    rows = []
    for name, transfer in first.items():
        trained = [phase for phase in transfer.before if phase.kind == "intermediate" and phase.rows]
        if trained:
            said = Counter(word for phase in trained for word in _words(phase))
            labels = Counter(label for phase in trained for label in _labels(phase))
            far = {f"{FAR}{target}": divergence(said, of) for target, of in targets.items()}
            count = sum(len(split) for phase in trained for _, split in _splits(phase))
            own = {"rows": count, "words": said.total(), "label entropy": entropy(labels)}
            rows.append({"condition": name, **own, **far})
    return pd.DataFrame(rows)


def _splits(phase: Phase) -> Iterator[tuple[Any, Dataset]]:
    """The training rows of each task of a phase, as many as it is trained on."""
    for task in phase.tasks:
        for rows in phase.rows:
            if rows.task == task.name and rows.split == "train":
                whole = sources.read(task, rows)
                yield task, sources.subset(whole, phase.training.max_train_examples, phase.seed or 0)


def _words(phase: Phase) -> Iterator[str]:
    for task, split in _splits(phase):
        for column in kind.data(task.kind).texts:
            if column in split.column_names:
                for text in _flat(split[column][:]):
                    yield from words(str(text).lower())


def _labels(phase: Phase) -> Iterator[Any]:
    """Labels and tags; answers that are texts in a context are none."""
    for task, split in _splits(phase):
        for column in kind.data(task.kind).answers:
            if column in split.column_names:
                yield from (
                    (task.name, label) for label in _flat(split[column][:]) if isinstance(label, str | int)
                )


def _flat(values: Iterable[Any]) -> Iterator[Any]:
    for value in values:
        if isinstance(value, list):
            yield from value
        elif value is not None:
            yield value


def entropy(counts: Mapping[Any, float]) -> float:
    """In bits; 0 of nothing."""
    values = np.array([count for count in counts.values() if count > 0], float)
    shares = values / max(values.sum(), 1e-12)
    return float(-(shares * np.log2(shares)).sum())


def divergence(first: Counter, second: Counter) -> float:
    """Jensen-Shannon divergence of two texts' words in bits: 0 the same, 1 no word in common."""
    if not first or not second:
        return math.nan
    sizes = first.total(), second.total()
    both = {word: first[word] / sizes[0] + second[word] / sizes[1] for word in {*first, *second}}
    return max(0.0, entropy(both) - (entropy(first) + entropy(second)) / 2)


def headroom(frame: pd.DataFrame, baseline: str) -> dict[str, float]:
    """By target, the points that the baseline leaves in English."""
    english = frame[(frame["condition"] == baseline) & (frame["language"] == "en")]
    return {str(task): 100 - float(score) for task, score in english.groupby("task")["score"].mean().items()}


def slope(frame: pd.DataFrame, data: pd.DataFrame, baseline: str) -> Estimate:
    """What a tenth of divergence between an arm's and a target's words changes in what the arm gains there,
    in points: within arms and targets, as both are centred; over seeds. Targets that are an arm's own task do
    not count."""
    frame = without_own_targets(frame)
    names, there = list(data["condition"]), set(frame["task"])
    tasks = [str(name).removeprefix(FAR) for name in data if str(name).startswith(FAR)]
    tasks = [task for task in tasks if task in there]
    if (len(data) - 1) * (len(tasks) - 1) < FREE:
        return Estimate(math.nan).noted("too few arms and targets to tell distance from what they are")
    far = [f"{FAR}{task}" for task in tasks]
    x = _centred(data[far].to_numpy(float))
    wide = frame[frame["language"] != "en"].pivot_table(
        index="seed", columns=["condition", "task"], values="score", observed=True
    )
    gains = np.stack(
        [
            np.stack([(wide[name, task] - wide[baseline, task]).to_numpy() for task in tasks], -1)
            for name in names
        ],
        -2,
    )
    if not varies(float(np.ptp(x))) or np.isnan(gains).any():
        return Estimate(math.nan).noted(
            "distances do not vary within arms and targets, or scores are missing"
        )
    by_seed = (_centred(gains) * x).sum((-2, -1)) / (x**2).sum() * STEP
    n = {"seeds": len(by_seed), "sets": len(names), "tasks": len(tasks)}
    if len(by_seed) < 2:
        return Estimate(float(by_seed.mean()), n=n).noted("one seed: no interval, no test")
    spread = crossed.spread(by_seed[None, :, None], (crossed.SEED,))
    return estimate(spread, 0.95, method="t on per-seed slopes, within arms and targets", n=n).noted(
        "about these sets"
    )


def _centred(values: np.ndarray) -> np.ndarray:
    """What is left beyond the means of rows and of columns."""
    rows, columns = values.mean(-1, keepdims=True), values.mean(-2, keepdims=True)
    return values - rows - columns + values.mean((-2, -1), keepdims=True)
