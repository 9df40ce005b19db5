"""The verb ``search``."""

from __future__ import annotations

import logging

from mlflow_xfer.commands.phases import found
from mlflow_xfer.commands.plan import planned_search
from mlflow_xfer.commands.result import Result
from mlflow_xfer.commands.running import opened
from mlflow_xfer.params import questions
from mlflow_xfer.phases.references import task_file_tasks
from mlflow_xfer.searching.search import run_search
from mlflow_xfer.tracking import job

logger = logging.getLogger(__name__)


def search(params: questions.Search) -> Result:
    if params.dry_run:
        logger.info("%s", planned_search(params).text())
        return Result("", {})
    with opened() as store:
        return found(store, run_search(params, store, job.take(store), task_file_tasks(params)))
