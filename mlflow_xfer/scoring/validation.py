"""Says what a leaderboard would refuse about a folder of predictions, all of it at once.

Scoring is lenient where XTREME's script is (a question without an answer silently scores 0); a
submission should not rely on that. The known test sizes apply to a submission of the real
benchmark; ``labels`` replaces them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mlflow_xfer.errors import XferError
from mlflow_xfer.scoring.formats import format_of, path_of
from mlflow_xfer.scoring.suite import languages_of
from mlflow_xfer.tasks.task import Suite, Task


@dataclass(frozen=True)
class Finding:
    """One fault: the file (or folder) and what is wrong. ``refused`` is False for
    what only looks like a mistake."""

    where: str
    what: str
    refused: bool = True

    def __str__(self) -> str:
        return f"{'refused' if self.refused else 'suspicious'}: {self.where}: {self.what}"


def validate(
    predictions: Path | str, suite: Suite, tasks: Mapping[str, Task], labels: Path | str | None = None
) -> list[Finding]:
    """All faults of a folder of predictions, in the suite's order; an empty list: it can be submitted.

    Args:
        tasks: the suite's tasks by name.
        labels: a folder of labels in the same shape, if there is one: then counts and ids are compared with
            it.
    """
    predictions, problems = Path(predictions), []
    for name in suite.tasks:
        task, languages = tasks[name], languages_of(suite, name)
        if not (predictions / name).is_dir():
            problems.append(Finding(f"{name}/", "the task is missing"))
            continue
        for language in languages:
            path = path_of(predictions, task, language)
            gold = path_of(labels, task, language) if labels is not None else None
            problems += _file(path, gold if gold and gold.is_file() else None, task, language)
        expected = {path_of(predictions, task, language).name for language in languages}
        extra = sorted(p.name for p in (predictions / name).iterdir() if p.name not in expected)
        problems += [Finding(f"{name}/{other}", "not a file of this task", refused=False) for other in extra]
    known = set(suite.tasks)
    others = (
        sorted(p.name for p in predictions.iterdir() if p.name not in known) if predictions.is_dir() else []
    )
    return problems + [Finding(other, f"not a task of {suite.name}", refused=False) for other in others]


def _file(path: Path, gold: Path | None, task: Task, language: str) -> list[Finding]:
    where = f"{task.name}/{path.name}"
    if not path.is_file():
        return [Finding(where, "the file is missing")]
    check = format_of(task).problems
    try:
        return [Finding(where, what, refused) for what, refused in check(path, gold, task, language)]
    except XferError as error:
        return [Finding(where, error.what)]


def best_of(dev: Mapping[str, Mapping[str, float]]) -> dict[str, str]:
    """Which run to submit for each task: the one with the best dev score (ties: the first run given).

    Args:
        dev: run to task to dev score; a task that a run lacks is not considered for it.
    """
    tasks = dict.fromkeys(task for scores in dev.values() for task in scores)
    return {
        task: max((run for run in dev if task in dev[run]), key=lambda run: dev[run][task]) for task in tasks
    }
