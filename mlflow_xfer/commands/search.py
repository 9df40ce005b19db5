"""The verb ``search``."""

from __future__ import annotations

from mlflow_xfer.commands.plan import planned_search
from mlflow_xfer.commands.result import Result
from mlflow_xfer.commands.running import opened
from mlflow_xfer.params import questions
from mlflow_xfer.phases.references import task_file_tasks
from mlflow_xfer.reporting.columns import Summary
from mlflow_xfer.searching.search import run_search
from mlflow_xfer.tracking import job


def search(params: questions.Search) -> Result:
    if params.dry_run:
        return Result("", {}, summary=Summary(planned_search(params).text()))
    with opened() as store:
        run_id, summary = run_search(params, store, job.take(store), task_file_tasks(params))
        store.settle()
        return Result(run_id, store.get(run_id).metrics, link=store.link(run_id), summary=summary)
