"""What a worker of a search needs to know, from the study alone:
so that any process on any machine can be one.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from mlflow_xfer.searching.history import SPACE
from mlflow_xfer.searching.mirror import Mirror
from mlflow_xfer.searching.objective import Objective
from mlflow_xfer.searching.queue import order_of
from mlflow_xfer.searching.sampling import BY_PROBE
from mlflow_xfer.searching.space import Space, canonical
from mlflow_xfer.searching.trials import Budget
from mlflow_xfer.searching.workers import Job
from mlflow_xfer.tracking.store import Store

if TYPE_CHECKING:
    import optuna

    from mlflow_xfer.searching.command import Command
    from mlflow_xfer.searching.leases import LeasedStudy

BUILD = f"{__name__}:job_of"
DRAWING = ("sampler", "pruner", "reduction_factor")  # parameters that run_worker takes under the same names
COMMAND, PARENT = (
    "xfer.command",
    "xfer.run_id",
)  # attributes of the study: how its trials are run, and the search's run


def written(command: Command, tags: dict[str, str], order: tuple[str, ...]) -> dict[str, Any]:
    """What the study tells its workers, refreshed by each command that goes on with it."""
    p = command.params
    how = {
        "shared": dict(command.shared),
        "objective": list(p.objective),
        "seeds": list(p.seeds),
        "order": list(order),
        "tags": tags,
        **{name: getattr(p, name) for name in DRAWING},
        "budget": {"n_trials": p.n_trials, "timeout": p.timeout, "gpu_hours": p.gpu_hours},
    }
    return {COMMAND: canonical(how)}


def space_of(study: optuna.Study) -> Space:
    return Space.from_spec(json.loads(study.user_attrs[SPACE])["space"])


def job_of(study: LeasedStudy) -> Job:
    """The job of a worker of ``study``, with a tracking store of its own."""
    how, space = json.loads(study.user_attrs[COMMAND]), space_of(study)
    store = Store.open(sync=False, probe=False)
    mirror = Mirror(
        store, study, study.user_attrs[PARENT], space, how["objective"], how["seeds"], how["tags"]
    )
    objective = Objective(
        store, how["shared"], how["objective"], prune=how["pruner"] != "none", rungs=how["pruner"] in BY_PROBE
    )
    options = {
        **{name: how[name] for name in DRAWING},
        "seeds": tuple(how["seeds"]),
        "order": order_of(study) or tuple(how["order"]),
    }
    return Job(space, objective, Budget(**how["budget"]), options, mirror, store.close)
