"""The verbs ``study``, ``studies`` and ``claims``."""

from __future__ import annotations

from mlflow_xfer.commands.phases import found
from mlflow_xfer.commands.result import Result
from mlflow_xfer.commands.running import opened
from mlflow_xfer.conditions.submitted import workers_of
from mlflow_xfer.params import studies as shapes
from mlflow_xfer.params.declare import parameters
from mlflow_xfer.params.reading import given
from mlflow_xfer.studies import found as declared
from mlflow_xfer.studies import listing
from mlflow_xfer.studies.run import run_study
from mlflow_xfer.studies.study import Study
from mlflow_xfer.tracking import job


def study(params: shapes.Study) -> Result:
    asked, more = chosen(params)
    with opened() as store:
        workers = workers_of(params.workers, store.uri)
        return found(store, run_study(asked, more, store, job.take(store), workers))


def chosen(params: shapes.Study) -> tuple[Study, dict[str, str]]:
    """The study that is asked for, and what is said of all its arms besides."""
    own = {*parameters(shapes.Asked), "workers", "output", "verbose"}
    more = {name: value for name, value in given(params).items() if name not in own}
    if more.get("seeds") == "auto":
        del more["seeds"]
    return declared.study(params.study).at(params.scale, params.effort), more


def studies(params: shapes.Studies) -> str:
    return listing.explained(params.name) if params.name else listing.listed()
