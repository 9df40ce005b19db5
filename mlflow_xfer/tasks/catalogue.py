"""All tasks and suites by name. The modules that declare them are imported on first use."""

from __future__ import annotations

from importlib import import_module

from mlflow_xfer.registry import Registry
from mlflow_xfer.tasks.task import Suite, Task

TASK_MODULES = ("mini", "nli", "paraphrase", "tagging", "retrieval")
SUITE_MODULES = ("mini", "suites")


def _load_tasks() -> None:
    for name in TASK_MODULES:
        for task in import_module(f"mlflow_xfer.tasks.{name}").TASKS:
            TASKS.add(task.name, task)


def _load_suites() -> None:
    for name in SUITE_MODULES:
        module = import_module(f"mlflow_xfer.tasks.{name}")
        for suite in getattr(module, "SUITES", None) or (module.SUITE,):
            SUITES.add(suite.name, suite)


TASKS: Registry[Task] = Registry("task", "mlflow-xfer tasks", _load_tasks)
SUITES: Registry[Suite] = Registry("suite", "mlflow-xfer suites", _load_suites)
