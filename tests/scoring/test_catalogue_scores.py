"""Every declared task can be scored, filed and averaged: metric, file format, suites."""

from __future__ import annotations

import pytest

from mlflow_xfer.errors import XferError
from mlflow_xfer.kinds.kind import KINDS
from mlflow_xfer.scoring.formats import format_of
from mlflow_xfer.scoring.score import metric_of
from mlflow_xfer.scoring.suite import languages_of, totals
from mlflow_xfer.tasks.catalogue import SUITES, TASKS


def test_every_task_has_a_metric_and_a_file_format():
    seen = 0
    for task in TASKS:
        if task.kind in ("language_model", "language_model"):
            continue
        assert metric_of(task.metric).name == task.metric, task.name
        assert task.metric in KINDS.get(task.kind).metrics, task.name
        assert format_of(task).extension in ("tsv", "json", "jsonl")
        seen += 1
    assert seen >= 5


@pytest.mark.parametrize("name", SUITES.names())
def test_every_suite_has_a_total(name):
    suite = SUITES.get(name)
    try:
        scores = {task: dict.fromkeys(languages_of(suite, task), 50.0) for task in suite.tasks}
    except XferError as error:
        pytest.skip(f"a task of the suite is not declared: {error.what}")
    got = totals(suite, scores, {task: TASKS.get(task).trained for task in suite.tasks})
    assert got.missing == () and got.avg == got.avg_trained == 50
    assert set(got.groups) == set(suite.groups) and all(value == 50 for value in got.groups.values())
    grouped = [task for tasks in suite.groups.values() for task in tasks]
    assert len(grouped) == len(set(grouped)), "a task stands in two groups"
