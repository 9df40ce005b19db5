"""The verb ``rank``."""

from __future__ import annotations

import json
import logging

from mlflow_xfer.commands.running import opened
from mlflow_xfer.params import questions
from mlflow_xfer.params.values import typed
from mlflow_xfer.phases import endings
from mlflow_xfer.phases.execute import Executor
from mlflow_xfer.phases.references import References, task_file_tasks
from mlflow_xfer.ranking.inputs import Budget
from mlflow_xfer.ranking.order import Ranking
from mlflow_xfer.ranking.rank import rank_tasks, transfer_of
from mlflow_xfer.tracking import job
from mlflow_xfer.tracking.store import Store

logger = logging.getLogger(__name__)


def rank(params: questions.Rank) -> Ranking:
    writes = params.track or params.checkpoints == "train" or params.model == "mini"
    with opened(probe=writes) as store:
        found = rank_tasks(
            transfer_of(params),
            Executor(store, params.reuse, runtime=params.runtime),
            References(lambda: store, fetch=True),
            task_file_tasks(params),
            pool=params.pool,
            methods=params.method,
            checkpoints=params.checkpoints,
            seed=params.seed,
            budget=Budget(params.max_examples, params.shots, params.steps),
        )
        if params.track:
            _log(params, found, store)
    return found


def _log(params: questions.Rank, found: Ranking, store: Store) -> None:
    """A run that holds the ranking."""
    run_id = store.start(
        "study",
        "rank",
        tags={
            "xfer.study": "rank",
            "xfer.target": ",".join(found.targets),
            "xfer.base_model": params.model,
        },
        params={name: typed(getattr(params, name)) for name in ("method", "checkpoints", "seed")},
        run_id=job.take(store),
    )
    with endings.ending(store, run_id):
        store.metrics(run_id, {f"rank/{name}": value for name, value in found.ranks().items()})
        store.dict_artifact(run_id, found.as_dict(), "results/ranking.json")
        store.tags(run_id, {"mlflow.note.content": f"```\n{found.text()}\n```"})
    store.settle()
    logger.info("%s", store.link(run_id))


def printed(params: questions.Rank, found: Ranking) -> str:
    return json.dumps(found.as_dict(), indent=2) if params.output == "json" else found.text()
