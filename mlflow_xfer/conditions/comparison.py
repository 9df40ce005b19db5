"""What the replicates of a condition say together: means, intervals over seeds, differences to a baseline."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from mlflow_xfer.conditions.totals import by_task
from mlflow_xfer.conditions.transfers import made_before
from mlflow_xfer.reporting.columns import significant
from mlflow_xfer.tracking.front import PRIMARY_METRIC

if TYPE_CHECKING:
    from mlflow_xfer.phases.execute import Executor
    from mlflow_xfer.phases.plan import Transfer
    from mlflow_xfer.tracking.runs import RunView
    from mlflow_xfer.tracking.store import Store

Place = tuple[str, str]
"""Base seed and seed of a replicate."""


def collapse(store: Store, run_id: str, replicates: Sequence[str], baseline: Sequence[str]) -> None:
    """Metrics of a condition: means over its transfers,
    interval of ``selected/avg``, n, and differences to ``baseline``, over the tasks that both have there: of
    a target that is trained on before, there is no difference.

    ``baseline`` are the replicates that it is compared with, on the same languages; each is paired with that
    of the same seed and base (hence same heads and orders). Without it, or where these are others, there are
    no differences. Comparisons and reports are made from the transfers, whose metrics are exact.
    """
    runs = [store.get(replicate) for replicate in replicates]
    each, places = [run.metrics for run in runs], [place_of(run) for run in runs]
    common = set.intersection(*(set(metrics) for metrics in each))
    in_order = [key for key in each[0] if key in common]
    metrics = {key: sum(m[key] for m in each) / len(each) for key in in_order} | {"n": len(each)}
    if PRIMARY_METRIC not in common:
        store.metrics(run_id, metrics)
        return
    averages = [m[PRIMARY_METRIC] for m in each]
    metrics |= ends("selected/avg", replicates_interval(averages, places))
    others = {place_of(run): by_task(run.metrics) for run in map(store.get, baseline)}
    mine = [by_task(m) for m in each]
    theirs = [others[place] for place in places] if others.keys() == {*places} else []
    tasks = set.intersection(*map(set, mine + theirs))
    if tasks and theirs:
        differences = [
            statistics.fmean(a[task] for task in tasks) - statistics.fmean(b[task] for task in tasks)
            for a, b in zip(mine, theirs, strict=True)
        ]
        metrics |= {"selected/delta": sum(differences) / len(differences)}
        metrics |= ends("selected/delta", replicates_interval(differences, places))
        metrics |= {
            f"delta/{task}": statistics.fmean(a[task] - b[task] for a, b in zip(mine, theirs, strict=True))
            for task in sorted(tasks)
        }
    store.metrics(run_id, significant(metrics))


def paired(executor: Executor, replicates: Sequence[str], baselines: Mapping[int, Transfer]) -> list[str]:
    """The baseline transfer of each replicate, made by the code of today; empty unless every one has a
    finished baseline. They are looked for whatever is trained again.
    """
    runs = [
        made_before(executor, one.plan_hash, "transfer", one.phases)
        if (one := baselines.get(n)) is not None
        else None
        for n in range(len(replicates))
    ]
    return [run for run in runs if run] if all(runs) else []


def place_of(run: RunView) -> Place:
    """Where the replicate that a transfer run is stands among the others."""
    return run.tags.get("xfer.base_seed", "0"), run.tags.get("xfer.seed", "0")


def ends(name: str, interval: tuple[float, float]) -> dict[str, float]:
    """The metrics of an interval; none where there is none."""
    low, high = interval
    return {f"{name}_low": low, f"{name}_high": high} if math.isfinite(low) else {}


def repeats(places: Sequence[Place]) -> int:
    """How many seeds replicates have; where each base has one, how many bases."""
    seeds = len({seed for _, seed in places})
    return seeds if seeds > 1 else len(places)


def replicates_interval(values: Sequence[float], places: Sequence[Place]) -> tuple[float, float]:
    """The interval of a mean over replicates: over seeds, and over bases crossed with seeds where the bases
    are several, as in reports. (nan, nan) for fewer than two, and where nothing varies.
    """
    bases = dict.fromkeys(base for base, _ in places)
    if len(bases) < 2:
        return mean_interval(values)
    import numpy as np

    from mlflow_xfer.stats import crossed
    from mlflow_xfer.stats.means import estimate

    by_place = sorted(zip(places, values, strict=True))
    rows = [[value for (base, _), value in by_place if base == own] for own in bases]
    if len({len(row) for row in rows}) > 1:  # not crossed: a base is one value
        rows = [[statistics.fmean(row)] for row in rows]
    table = np.array(rows)[..., None]
    axes = (crossed.BASE, crossed.SEED) if table.shape[crossed.SEED] > 1 else (crossed.BASE,)
    found = estimate(crossed.spread(table, axes), 0.95)
    return found.low, found.high


def mean_interval(values: Sequence[float], level: float = 0.95) -> tuple[float, float]:
    """Student's t interval of a mean over replicates; (nan, nan) for fewer than two, and where nothing
    varies: that says how alike they are, not how sure their mean is."""
    from scipy import stats

    from mlflow_xfer.stats.estimate import varies

    n = len(values)
    if n < 2:
        return math.nan, math.nan
    mean, se = statistics.fmean(values), statistics.stdev(values) / math.sqrt(n)
    if not varies(se, mean):
        return math.nan, math.nan
    half = float(stats.t.ppf((1 + level) / 2, n - 1)) * se
    return mean - half, mean + half
