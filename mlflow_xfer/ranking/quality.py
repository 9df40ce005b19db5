"""How well an order of tasks foretold their full runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mlflow_xfer.errors import XferError
from mlflow_xfer.params.chain import Transfer
from mlflow_xfer.phases.execute import Executor
from mlflow_xfer.ranking.order import Ranking, Scores
from mlflow_xfer.ranking.rank import FindBase, rank_tasks
from mlflow_xfer.stats import ranking as judged
from mlflow_xfer.tasks.task import Task


def quality(
    ranking: Ranking, observed: Scores, beside: Mapping[str, Scores] | None = None, *, seed: int = 0
) -> list[judged.Quality]:
    """How good proxies were against full runs: regret@k, NDCG, Kendall's tau; beside a random order.

    Candidates without a full run, and targets with fewer than two, are left out. The best of noisy runs is
    better than it will be again: regrets are a little too high, for every method alike.

    Args:
        observed: target (or :data:`ALL`, for one figure over all of them) -> candidate -> score of its full
            run, 0-100.
        beside: further rules to show, as :func:`by_english_accuracy` gives them.

    Raises:
        XferError: no target has full runs of two candidates.
    """
    scores = {**ranking.by_method(), **(beside or {})}
    ranked = {
        target: {name: value for name, value in of.items() if name in ranking.ranks()}
        for target, of in observed.items()
    }
    known = {target: of for target, of in ranked.items() if len(of) > 1}
    if not known:
        raise XferError(
            "No target has full runs of two candidates: there is no order to judge.", "Let the search run on."
        )
    qualities: list[judged.Quality] = []
    for method, of in scores.items():
        if mine := {target: known[target] for target in known if target in of}:
            qualities += [
                one for one in judged.quality(mine, {method: of}, seed=seed) if one.method == method
            ]
    return [*qualities, *judged.quality(known, {}, seed=seed)]


def by_english_accuracy(
    params: Transfer,
    executor: Executor,
    find_base: FindBase,
    extra: Mapping[str, Task] | None = None,
    **options: Any,
) -> dict[str, Scores]:
    """The rule "take the tasks that train best":
    each one's own English dev score; empty unless all are finished alone.

    Arguments as of :func:`rank`.
    """
    try:
        return {
            "english": rank_tasks(
                params,
                executor,
                find_base,
                extra,
                **options | {"methods": ("english",), "checkpoints": "auto"},
            ).by_method()["english"]
        }
    except XferError:
        return {}
