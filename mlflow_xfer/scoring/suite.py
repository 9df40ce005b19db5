"""From scores per task and language to a suite's groups and total, by XTREME's rules.

A task's score is the plain mean over its languages, a group's over its tasks, the total over all tasks (each
task once, also where a suite lists it in two groups). A mean that lacks a member is not the benchmark's
figure, so it is None here, and what is missing is named.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from mlflow_xfer.tasks.task import Suite


@dataclass(frozen=True)
class Totals:
    """A suite's figures, 0-100.

    ``avg``, ``avg_trained``, the values of ``groups`` and ``tasks`` are None where a language or task they
    need has no score. ``gap`` is English minus the mean of the other languages, ``std`` the spread
    (population standard deviation) over non-English languages, both per task, then averaged over the tasks
    that have them. ``missing`` names whole tasks (``pawsx``) and single languages (``xnli/sw``).
    """

    avg: float | None
    avg_trained: float | None
    groups: Mapping[str, float | None]
    tasks: Mapping[str, float | None]
    gap: float | None
    std: float | None
    missing: tuple[str, ...]


def languages_of(suite: Suite, task: str) -> tuple[str, ...]:
    """The languages on which ``suite`` scores ``task``: its own list, else the task's."""
    if task in suite.languages:
        return tuple(suite.languages[task])
    from mlflow_xfer.tasks.catalogue import TASKS

    return TASKS.get(task).languages


def totals(
    suite: Suite, scores: Mapping[str, Mapping[str, float]], trained: Mapping[str, bool] | None = None
) -> Totals:
    """The figures of ``suite``.

    Args:
        scores: task to language to score. Languages and tasks outside the suite are left out of everything.
        trained: whether a task had a training phase; default True. Tasks that are False are left out of
            ``avg_trained`` (in XTREME: BUCC and Tatoeba).
    """
    trained = trained or {}
    present, missing = {}, []
    for task in suite.tasks:
        wanted = languages_of(suite, task)
        have = {
            language: float(scores[task][language]) for language in wanted if language in scores.get(task, {})
        }
        if have:
            present[task] = have
            missing += [f"{task}/{language}" for language in wanted if language not in have]
        else:
            missing.append(task)
    incomplete = {name.split("/")[0] for name in missing}
    tasks = {
        task: None if task in incomplete else sum(present[task].values()) / len(present[task])
        for task in suite.tasks
    }
    return Totals(
        avg=_mean(tasks.values()),
        avg_trained=_mean(value for task, value in tasks.items() if trained.get(task, True)),
        groups={group: _mean(tasks[task] for task in names) for group, names in suite.groups.items()},
        tasks=tasks,
        gap=_mean(gap for have in present.values() if (gap := language_gap(have)) is not None),
        std=_mean(std for have in present.values() if (std := language_std(have)) is not None),
        missing=tuple(missing),
    )


def language_gap(scores: Mapping[str, float]) -> float | None:
    """English minus the mean of the other languages; None without English or without others."""
    others = [score for language, score in scores.items() if language != "en"]
    return scores["en"] - sum(others) / len(others) if others and "en" in scores else None


def language_std(scores: Mapping[str, float]) -> float | None:
    """Standard deviation over the non-English languages; None with fewer than two."""
    others = [score for language, score in scores.items() if language != "en"]
    return float(np.std(others)) if len(others) > 1 else None


def _mean(values: Iterable[float | None]) -> float | None:
    """The plain mean; None if there is no value or one of them is None."""
    listed = list(values)
    known = [value for value in listed if value is not None]
    return sum(known) / len(known) if known and len(known) == len(listed) else None
