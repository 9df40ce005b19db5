"""No cue but the skill tells the label:
classifiers that see only a cue are at chance on every task and language.

Each is trained on a task's English training rows and tested in every language, beside the declared
``shortcuts`` of the entry: ``length``, ``position``, ``part`` (hypothesis or choices alone), ``words`` (bag
of words).
"""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest

from mlflow_xfer.data import mini
from mlflow_xfer.tasks import mini as entries

CLASSIFIED = [t for t in entries.TASKS if t.kind == "classification"]
CHOSEN = [t for t in entries.TASKS if t.kind == "multiple_choice"]
ANSWERED = [t for t in entries.TASKS if t.kind == "span_qa"]
SPLIT = 3


def rows(task, split: str, language: str) -> list[dict]:
    return mini.rows(task.sources["mini"][0].name, split, language, concept_split=SPLIT)


def allowed(chance: float, n: int) -> float:
    """Chance plus three standard errors."""
    return chance + 3 * math.sqrt(chance * (1 - chance) / n)


def ridge(features: list[Counter], labels: np.ndarray, strength: float = 1.0):
    """One-against-all least squares on counts; returns a function from counts to scores [rows, classes]."""
    columns = {name: i for i, name in enumerate(sorted({name for row in features for name in row}))}

    def matrix(rows: list[Counter]) -> np.ndarray:
        found = np.zeros((len(rows), len(columns) + 1))
        found[:, -1] = 1
        for i, row in enumerate(rows):
            for name, count in row.items():
                if name in columns:
                    found[i, columns[name]] = count
        return found

    x, y = matrix(features), np.eye(labels.max() + 1)[labels]
    weights = np.linalg.solve(x.T @ x + strength * np.eye(x.shape[1]), x.T @ (y - y.mean(0)))
    return lambda rows: matrix(rows) @ weights


def lengths(row: dict) -> Counter:
    a, b = len(row["text_a"].split()), len((row["text_b"] or "").split())
    return Counter({"a": a, "b": b, f"a{a}": 1, f"b{b}": 1, f"sum{a + b}": 1, f"difference{a - b}": 1})


CUES = {
    "length": lengths,
    "part": lambda row: Counter((row["text_b"] or "").split()),
    "words": lambda row: Counter(
        [*row["text_a"].split(), *(f"b:{w}" for w in (row["text_b"] or "").split())]
    ),
}


@pytest.mark.parametrize("cue", CUES)
@pytest.mark.parametrize("task", CLASSIFIED, ids=lambda t: t.name)
def test_a_cue_does_not_tell_the_class(task, cue):
    if cue in entries.SHORTCUTS.get(task.name, ()):
        pytest.skip("declared")
    train = rows(task, "train", "en")
    labels = np.array([task.labels.index(row["label"]) for row in train])
    score = ridge([CUES[cue](row) for row in train], labels)
    for language in task.languages:
        test = rows(task, "test", language)
        guessed = score([CUES[cue](row) for row in test]).argmax(1)
        right = np.mean([task.labels[g] == row["label"] for g, row in zip(guessed, test, strict=True)])
        assert right <= allowed(1 / len(task.labels), len(test)), (language, right)


def _choice_cues(row: dict, cue: str) -> list[Counter]:
    if cue == "position":
        return [Counter({f"place{i}": 1}) for i in range(len(row["choices"]))]
    if cue == "length":
        return [Counter({"n": len(c.split()), f"n{len(c.split())}": 1}) for c in row["choices"]]
    shared = Counter() if cue == "part" else Counter(f"{row['context']} {row['question']}".split())
    return [shared + Counter(f"c:{w}" for w in c.split()) for c in row["choices"]]


@pytest.mark.parametrize("cue", ["length", "position", "part", "words"])
@pytest.mark.parametrize("task", CHOSEN, ids=lambda t: t.name)
def test_a_cue_does_not_tell_the_choice(task, cue):
    if cue in entries.SHORTCUTS.get(task.name, ()):
        pytest.skip("declared")
    train = rows(task, "train", "en")
    features = [c for row in train for c in _choice_cues(row, cue)]
    right = np.array([int(i == row["label"]) for row in train for i in range(len(row["choices"]))])
    score = ridge(features, right)
    for language in task.languages:
        test, hits = rows(task, "test", language), 0.0
        for row in test:
            scores = score(_choice_cues(row, cue))[:, 1]
            best = np.flatnonzero(scores >= scores.max() - 1e-9)  # ties are guessed
            hits += (row["label"] in best) / len(best)
        chance = 1 / len(test[0]["choices"])
        assert hits / len(test) <= allowed(chance, len(test)), (language, hits / len(test))


@pytest.mark.parametrize("task", ANSWERED, ids=lambda t: t.name)
def test_the_place_does_not_tell_the_answer(task):
    """Always the words at the commonest place: right for one question of three at most."""

    def place(row: dict) -> tuple[int, int]:
        (answer,), (start,) = row["answers"]["text"], row["answers"]["answer_start"]
        before = len(row["context"][:start].split())
        return before, before + len(answer.split())

    (begin, end), _ = Counter(map(place, rows(task, "train", "en"))).most_common(1)[0]
    for language in task.languages:
        test = rows(task, "test", language)
        right = np.mean(
            [" ".join(row["context"].split()[begin:end]) == row["answers"]["text"][0] for row in test]
        )
        assert right <= allowed(1 / 3, len(test)), (language, right)


def test_every_undeclared_cue_was_tried():
    tried = len(CLASSIFIED) * len(CUES) + len(CHOSEN) * 4 + len(ANSWERED)
    assert tried >= 60 and {"words", "length"} >= {
        cue for task in CLASSIFIED + CHOSEN for cue in entries.SHORTCUTS.get(task.name, ())
    }
