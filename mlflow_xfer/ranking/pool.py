"""Which intermediate tasks are candidates."""

from __future__ import annotations

from mlflow_xfer.data import sources
from mlflow_xfer.phases.compose import Composer
from mlflow_xfer.tasks.catalogue import TASKS

PHANG_2020 = ("anli-plus", "mnli", "qqp", "squad2", "squad", "hellaswag", "ccg", "cosmosqa", "commonsenseqa")
"""The nine intermediate tasks of 2005.13013."""


def pool_of(composer: Composer, pool: str | tuple[str, ...], targets: list[str]) -> list[str]:
    """Names of the candidates, each once. What is wrong with them is collected in the composer's problems.

    Args:
        pool: as typed; ``auto``: the embedded suite's intermediate tasks, with other data those of the nine
            of Phang et al. (2020) that have training data.
        targets: what is transferred to; a task is no candidate for itself.
    """
    problems, data = composer.problems, composer.params.data
    if pool == "auto":
        provider = sources.provider_of(data)
        known = (
            [task.name for task in TASKS if provider in task.sources and "intermediate" in task.uses]
            if provider == "mini"
            else [name for name in PHANG_2020 if provider in TASKS.get(name).sources]
        )
        usable = [
            name for name in known if name not in targets and composer.available(TASKS.get(name), "train")
        ]
        if not usable:
            problems.add(
                f"No intermediate task of the default pool has training data with data={data}.",
                "Name the candidates: pool=…",
            )
        return usable
    if not pool:
        problems.add(
            "The pool is empty.",
            "Name intermediate tasks: pool=mnli,squad   See all: mlflow-xfer tasks --use intermediate",
        )
    for name in dict.fromkeys(name for name in pool if name in targets):
        problems.add(
            f"Task {name!r} is in the pool and a target.",
            "A task cannot be judged as preparation for itself: leave it out of one of the two.",
        )
    for name in dict.fromkeys(name for name in pool if list(pool).count(name) > 1):
        problems.add(f"The pool names {name!r} more than once.", "Name each task once.")
    names = list(dict.fromkeys(pool))
    for name in names:
        composer.task(name, "intermediate")
    return names
