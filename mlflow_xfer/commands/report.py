"""The verb ``report``."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from tempfile import TemporaryDirectory

from mlflow_xfer.commands.result import Reported
from mlflow_xfer.commands.running import opened
from mlflow_xfer.params import questions
from mlflow_xfer.phases import record
from mlflow_xfer.reporting.verb import report_runs
from mlflow_xfer.stats.typology import PRIMARY
from mlflow_xfer.tracking import job
from mlflow_xfer.tracking.references import RUN_ID
from mlflow_xfer.tracking.store import Store

logger = logging.getLogger(__name__)


def report(params: questions.Report) -> Reported:
    with opened() as store, TemporaryDirectory() as folder:
        with _run(store, params.runs, job.take(store)) as run_id:
            made = report_runs(
                store,
                params.runs,
                params.out or folder,
                question=params.question,
                imports=[params.imported] if params.imported else (),
                run_id=run_id,
                baseline=params.baseline,
                margin=params.margin,
                missing=params.missing,
                measure=PRIMARY if params.measure == "auto" else params.measure,
            )
        store.flush()
        link = store.link(run_id)
    logger.info("%s\n%s", made.description, link)
    return Reported(run_id, made, link)


@contextmanager
def _run(store: Store, named: Sequence[str], opened_run: str | None) -> Iterator[str]:
    """Where a report goes: the run that ``mlflow run`` opened,
    the one run it is about, or a run of its own.
    """
    if opened_run is None and len(named) == 1 and RUN_ID.fullmatch(named[0]):
        yield named[0]
        return
    run_id = store.start(
        "study",
        "report",
        tags={"xfer.study": "report", "xfer.input_run_ids": ",".join(named)},
        run_id=opened_run,
    )
    with record.ending(store, run_id):
        yield run_id
