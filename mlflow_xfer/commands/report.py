"""The verb ``report``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from tempfile import TemporaryDirectory

from mlflow_xfer.commands.result import Reported
from mlflow_xfer.commands.running import opened
from mlflow_xfer.params import questions
from mlflow_xfer.phases import endings
from mlflow_xfer.reporting.columns import Summary, Table
from mlflow_xfer.reporting.document import Report
from mlflow_xfer.reporting.verb import attach, report_runs
from mlflow_xfer.reporting.verdict import p_text
from mlflow_xfer.stats.typology import PRIMARY
from mlflow_xfer.tracking import job
from mlflow_xfer.tracking.references import run_of
from mlflow_xfer.tracking.store import Store


def report(params: questions.Report) -> Reported:
    """The report is made first: what it refuses leaves no run."""
    with opened(make=False) as store, TemporaryDirectory() as folder:
        where = params.out or folder
        made = report_runs(
            store,
            params.runs,
            where,
            question=params.question,
            imports=[params.imported] if params.imported else (),
            baseline=params.baseline,
            margin=params.margin,
            missing=params.missing,
            measure=PRIMARY if params.measure == "auto" else params.measure,
        )
        with _run(store, params.runs, job.take(store)) as run_id:
            attach(store, run_id, made, where)
        store.settle()
        return Reported(run_id, made, store.link(run_id), shown(made))


def shown(made: Report) -> Summary:
    """The answer, and the conditions beside each other."""
    found, verdict = made.tables["differences"], made.verdict
    mixed = made.analysis.several_baselines
    body = [
        [
            row["condition"],
            row["mean"],
            *([row["against"]] if mixed else []),
            row["difference"],
            (row["low"], row["high"]),
            p_text(row["p_corrected"]),
            row["verdict"],
            int(row["seeds"]),
        ]
        for row in found.to_dict("records")
    ]
    against = ["against"] if mixed else []
    head = ("condition", "mean", *against, "difference", "95 % interval", "p, corrected", "verdict", "seeds")
    signed = ("difference", "95 % interval")
    tables = [Table("Conditions, on average over tasks and languages", head, body, signed)]
    for what in ("task", "language"):
        frame = made.tables[f"by_{what}"]
        title = f"Mean of each {what}" + (f", baseline {verdict['baseline']}" if verdict["baseline"] else "")
        tables.append(Table(title, list(frame.columns), frame.to_numpy(dtype=object).tolist()))
    return Summary(verdict["question"] or "Report", tables, [verdict["answer"], *verdict["gaps"]])


@contextmanager
def _run(store: Store, named: Sequence[str], opened_run: str | None) -> Iterator[str]:
    """Where a report goes: the run that ``mlflow run`` opened,
    the one run it is about, or a run of its own.
    """
    if opened_run is None and len(named) == 1:
        yield run_of(store, named[0])
        return
    run_id = store.start(
        "study",
        "report",
        tags={"xfer.study": "report", "xfer.input_run_ids": ",".join(named)},
        run_id=opened_run,
    )
    with endings.ending(store, run_id):
        yield run_id
