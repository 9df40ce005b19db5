"""One worker, with the sampler, pruner and budget that its command names."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

import optuna

from mlflow_xfer.searching import sampling
from mlflow_xfer.searching.asking import Asker
from mlflow_xfer.searching.candidate import Candidate
from mlflow_xfer.searching.space import Space
from mlflow_xfer.searching.trials import Budget, Observer, RunTrial
from mlflow_xfer.searching.worker import Worker


def run_worker(
    study: optuna.Study,
    space: Space,
    run: RunTrial,
    budget: Budget,
    *,
    sampler: str = "auto",
    pruner: str = "none",
    reduction_factor: int = 4,
    seed: int = 0,
    seeds: Sequence[int] = (0,),
    order: Sequence[str] = (),
    allowed: Callable[[Candidate], bool] | None = None,
    observer: Observer | None = None,
    between: Callable[[], object] | None = None,
    stay: bool = False,
    began: datetime | None = None,
) -> str:
    """Run trials of ``study`` until the budget is spent or nothing is left to try; says which.

    Args:
        run: trains and scores one candidate.
        seed: of the sampler.
        seeds: of the replicates of every trial.
        order: single tasks, most promising first.
        allowed: candidates that may be run at all (a cost gate); the baseline always may.
        between: called before each ask: finds the dead trials of other workers and queues them again.
        stay: with the budget spent, wait for the running trials of other workers, which may die and have to
            be retried.
        began: start of the command; what failed before it may be tried again (baseline and single tasks
            only). Default: now.

    Raises:
        XferError: what cannot work together; or the first trials all fail with the same error.
        BaseException: an interrupt, after queueing the trial again (``xfer.retried_from``).
    """
    space = space.gridded() if sampler == "grid" else space
    sampling.check(
        space,
        sampler=sampler,
        pruner=pruner,
        objectives=len(study.directions),
        seeds=len(seeds),
        n_trials=budget.n_trials,
    )
    asker = Asker(
        study,
        space,
        sampling.make_sampler(sampler, space, len(study.directions)),
        seed,
        order,
        allowed,
        began or datetime.now(),
    )
    looks = len(seeds) - 1 if pruner != "none" else 0
    return Worker(
        study,
        run,
        budget,
        asker,
        sampling.make_pruner(pruner, len(seeds), reduction_factor),
        tuple(seeds),
        looks,
        observer,
        between,
        stay,
    ).work()
