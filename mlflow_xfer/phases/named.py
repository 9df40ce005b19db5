"""Names of a command's tasks, suites and targets become tasks; what is wrong is collected."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from mlflow_xfer.data import sources
from mlflow_xfer.errors import Problems, XferError
from mlflow_xfer.kinds import kind
from mlflow_xfer.params.chain import Transfer
from mlflow_xfer.phases.phase import BaseModel, FinishedRun
from mlflow_xfer.registry import unknown
from mlflow_xfer.tasks.catalogue import SUITES, TASKS
from mlflow_xfer.tasks.task import Suite, Task

T = TypeVar("T")

SELECTION_SPLIT = "validation"


@dataclass
class Named:
    """What a command names, found; what is wrong is collected in ``problems``, and the languages without
    data, by task, in ``missing``. Rows and texts that were found are kept in ``found`` for all seeds.

    Args:
        params: the parameters of the chain (:func:`mlflow_xfer.params.chain.as_transfer`).
        find_base: from (model, revision, tokenizer) to what a chain starts from; may look into the store.
        extra: tasks of the user's task file, by name.
        online: ask the hub for the commits of its data sets; otherwise what is not known stays unresolved.
    """

    params: Transfer
    find_base: Callable[[str, str | None, str], BaseModel | FinishedRun]
    extra: dict[str, Task] = field(default_factory=dict)
    online: bool = False
    problems: Problems = field(default_factory=Problems)
    missing: dict[str, tuple[str, ...]] = field(default_factory=dict)
    found: dict[tuple[object, ...], Any] = field(default_factory=dict)

    def attempt(self, call: Callable[[], T], otherwise: T) -> T:
        """``call()``, or ``otherwise`` with its error among the problems."""
        try:
            return call()
        except XferError as error:
            self.problems.add(error)
            return otherwise

    def available(self, task: Task, split: str) -> tuple[str, ...]:
        return self.attempt(lambda: sources.available(task, split, self.params.data), ())

    def task(self, name: str, use: str) -> Task | None:
        """The task called ``name``, if it may be used as ``use`` and the data folder knows it."""
        known = {*TASKS.names(), *self.extra}
        if name not in known:
            self.problems.add(unknown("task", name, known, "mlflow-xfer tasks"))
            return None
        task = self.extra.get(name) or TASKS.get(name)
        if use not in task.uses:
            self.problems.add(f"Task {name!r} cannot be used as {use}.", f"It can be: {', '.join(task.uses)}")
            return None
        provider = sources.provider_of(self.params.data)
        if name not in self.extra and provider not in task.sources:
            have = sorted({"folder": "data=<folder>"}.get(p, f"data={p}") for p in task.sources)
            self.problems.add(
                f"Task {name!r} has no data with data={self.params.data}.", f"It has: {', '.join(have)}"
            )
            return None
        return self.attempt(lambda: sources.with_labels(task, self.params.data), task)

    def suite(self) -> Suite:
        name = self.params.suite
        if name == "auto":
            name = "mini" if sources.provider_of(self.params.data) == "mini" else "xtreme"
        return SUITES.get(name)

    def target_names(self) -> list[str]:
        """Target tasks asked for; a suite's name stands for its tasks,
        ``auto`` for those of the suite with data.
        """
        asked = self.params.target
        if asked == "auto":
            provider = sources.provider_of(self.params.data)
            names = [n for n in self.suite().tasks if n in TASKS and provider in TASKS.get(n).sources]
            usable = [
                n
                for n in names
                if self.available(task := TASKS.get(n), "test")
                and (not task.trained or self.available(task, "train"))
            ]
            if not usable:
                self.problems.add(
                    f"No target of suite {self.suite().name!r} has test data with data={self.params.data}.",
                    "Name the targets: target=…",
                )
            return usable
        names = [
            n
            for name in asked
            for n in (self.with_data(SUITES.get(name)) if name in SUITES and name not in TASKS else (name,))
        ]
        if not names:
            self.problems.add("target=none leaves nothing to evaluate.", "Name a target task or a suite.")
        return list(dict.fromkeys(names))

    def with_data(self, suite: Suite) -> list[str]:
        """The suite's tasks that can be trained and scored with this data;
        the others are listed in ``missing``.
        """
        tasks = []
        for name in suite.tasks:
            task, have = TASKS.get(name), sources.provider_of(self.params.data) in TASKS.get(name).sources
            scored = have and (
                self.available(task, "test")
                or (kind.data(task.kind).tunes_on_dev(task) and self.available(task, SELECTION_SPLIT))
            )
            if scored and (not task.trained or self.params.train_on or self.available(task, "train")):
                tasks.append(name)
            else:
                self.missing[name] = suite.languages.get(name, task.languages)
        if not tasks:
            self.problems.add(
                f"No task of suite {suite.name!r} has training and test data with data={self.params.data}.",
                "Name the targets: target=…",
            )
        return tasks
