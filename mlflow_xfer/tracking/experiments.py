"""Which experiment of a tracking store runs belong to."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from mlflow_xfer.errors import XferError
from mlflow_xfer.tracking import outages, runs
from mlflow_xfer.tracking.names import redact

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Experiment


def find(client: MlflowClient, name: str | None, default: str, make: bool) -> Experiment | None:
    """The experiment called ``name``, else the active one, else that of the run that launched this process,
    else the one called ``default``, else the one with the newest run of ours (``mlflow run`` chooses its
    own); made if absent and ``make`` says so.
    """
    from mlflow.exceptions import MlflowException
    from mlflow.tracking import fluent

    if name is None:
        active = getattr(fluent, "_active_experiment_id", None) or os.environ.get("MLFLOW_EXPERIMENT_ID")
        if active:
            try:
                return _usable(client.get_experiment(active))
            except MlflowException as error:
                if outages.is_transient(error):
                    raise
                raise XferError(
                    f"The tracking store {redact(client.tracking_uri)} has no experiment with the id "
                    f"{active}.",
                    "Check MLFLOW_EXPERIMENT_ID and MLFLOW_TRACKING_URI.",
                ) from error
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME")
        if not name and (of_job := _experiment_of_job(client)):
            return _usable(client.get_experiment(of_job))
        if not name and client.get_experiment_by_name(default) is None and (used := _used(client)):
            return client.get_experiment(used)
        name = name or default
    found = client.get_experiment_by_name(name)
    if found is None:
        if not make:
            return None
        try:
            return client.get_experiment(client.create_experiment(name))
        except MlflowException as error:
            found = client.get_experiment_by_name(name)  # another process was faster
            if found is None:
                raise error
    return _usable(found)


def _experiment_of_job(client: MlflowClient) -> str | None:
    """The experiment of the run that launched this process, so that what it makes lies beside it."""
    from mlflow.exceptions import MlflowException

    run_id = os.environ.get("MLFLOW_RUN_ID")
    try:
        return client.get_run(run_id).info.experiment_id if run_id else None
    except MlflowException as error:
        if outages.is_transient(error):
            raise
        return None  # who takes the run says that there is none


def _used(client: MlflowClient) -> str | None:
    """The experiment of the newest run of ours."""
    newest = runs.search(
        client, "tags.`xfer.schema` LIKE '%'", order_by=["attributes.start_time DESC"], limit=1
    )
    return newest[0].experiment_id if newest else None


def _usable(experiment: Experiment) -> Experiment:
    if experiment.lifecycle_stage == "deleted":
        raise XferError(
            f"The experiment {experiment.name!r} is deleted.",
            f"Restore it with: mlflow experiments restore --experiment-id {experiment.experiment_id}, "
            "or choose another one with MLFLOW_EXPERIMENT_NAME.",
        )
    return experiment
