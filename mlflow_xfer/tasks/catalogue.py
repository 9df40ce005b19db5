"""All tasks and suites by name. The modules that declare them are imported on first use.

Every task that the embedded suite does not generate can also be read from a folder: besides the benchmark's
own layout, ``<task>/<split>-<language>.jsonl`` in the columns of the task's kind.
"""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module

from mlflow_xfer.registry import Registry
from mlflow_xfer.tasks.task import SPLITS, Files, Generated, Suite, Task, part_of

TASK_MODULES = (
    "mini",
    "nli",
    "paraphrase",
    "similarity",
    "sentences",
    "tagging",
    "multiple_choice",
    "qa",
    "retrieval",
    "biomedical",
    "legal",
    "raw_text",
)
SUITE_MODULES = ("mini", "suites")


def _load_tasks() -> None:
    for name in TASK_MODULES:
        for task in import_module(f"mlflow_xfer.tasks.{name}").TASKS:
            TASKS.add(task.name, task if "mini" in task.sources else _with_own_layout(task))


def _with_own_layout(task: Task) -> Task:
    """``task`` with ``<task>/<split>-<language>.jsonl`` as the last of its folder sources, unless the
    benchmark's own files have such names."""
    sources = task.sources.get("folder", ())
    own = Files({split: f"{task.name}/{split}-{{language}}.jsonl" for split in SPLITS}, format="jsonl")
    parts = [part_of(source, "test", "en") for source in sources if not isinstance(source, Generated)]
    if any(part and own.splits["test"] in part.paths for part in parts):
        return task
    return replace(task, sources={**task.sources, "folder": (*sources, own)})


def _load_suites() -> None:
    for name in SUITE_MODULES:
        module = import_module(f"mlflow_xfer.tasks.{name}")
        for suite in getattr(module, "SUITES", None) or (module.SUITE,):
            SUITES.add(suite.name, suite)


TASKS: Registry[Task] = Registry("task", "mlflow-xfer tasks", _load_tasks)
SUITES: Registry[Suite] = Registry("suite", "mlflow-xfer suites", _load_suites)
