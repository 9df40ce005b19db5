"""What MLflow shows of a search is made again from the study alone,
once each, and costs little beside a trial.
"""

from __future__ import annotations

import resource

import optuna
import pytest

from mlflow_xfer.searching.showing.mirror import Mirror
from mlflow_xfer.searching.space.parsing import read_space
from mlflow_xfer.searching.trying.loop import run_trials
from mlflow_xfer.searching.trying.trials import Budget, Pruned, Trial, TrialResult
from mlflow_xfer.tracking.store import Store
from tests.searching.planted import noise, truth

SPACE = read_space("mlm_share=0:0.5", tuple("abcde"))


def run(trial: Trial) -> TrialResult:
    """Two seeds of the planted truth; ``b`` alone fails, whatever has ``d`` is pruned after a probe."""
    if trial.candidate.tasks == ("b",):
        raise RuntimeError("out of memory")
    by_seed = []
    for seed in trial.seeds:
        value = truth(trial.candidate) + noise(trial.candidate, seed)
        trial.report(50 + 100 * seed, value, "probe")
        if "d" in trial.candidate.tasks:
            trial.attrs["xfer.cost"] = {"tokens": 3.0}
            raise Pruned(50, "probe")
        by_seed.append((value,))
        trial.report(seed + 1, value, "seed")
    return TrialResult(
        (sum(row[0] for row in by_seed) / len(by_seed),),
        tuple(by_seed),
        {"tokens": 7.0, "seconds": 1.0},
        {"tokens": 2.0},
    )


@pytest.fixture
def tracked():
    with Store.open(probe=False) as opened:
        yield opened


def searched(store: Store, n: int, mirrored: bool = True) -> tuple[optuna.Study, Mirror]:
    study = optuna.create_study(direction="maximize")
    mirror = Mirror(store, study, store.start("search", "a search"), SPACE, ("english_dev",), (0, 1))
    run_trials(
        study,
        SPACE,
        run,
        Budget(n_trials=n),
        sampler="random",
        seeds=(0, 1),
        observer=mirror if mirrored else None,
    )
    store.flush()
    return study, mirror


def shown(store: Store, mirror: Mirror) -> list[tuple]:
    """Everything that people see of the children, without ids and times."""
    store.flush()
    hidden = ("xfer.opened_at", "xfer.creation", "mlflow.parentRunId", "xfer.input_run_ids")
    return sorted(
        (
            run.name,
            run.status,
            sorted(run.params.items()),
            sorted((k, v) for k, v in run.metrics.items() if not k.startswith(("seed/", "intermediate/"))),
            sorted((k, v) for k, v in run.tags.items() if k not in hidden),
        )
        for run in store.children(mirror.parent)
    )


def test_the_mirror_can_be_made_again_from_the_study(tracked):
    store = tracked
    study, mirror = searched(store, 12)
    runs = {run.name: run for run in store.children(mirror.parent)}
    trials = {name: run for name, run in runs.items() if run.kind == "trial"}
    rows = {name: run for name, run in runs.items() if run.kind == "condition"}
    states = [trial.state.name for trial in study.get_trials()]
    ends = {"COMPLETE": "FINISHED", "PRUNED": "KILLED", "FAIL": "FAILED"}
    assert (
        sorted(run.status for run in trials.values()) == sorted(ends[state] for state in states)
        and len(set(states)) == 3
    )
    assert len(rows) == states.count("COMPLETE")
    killed = next(run for run in trials.values() if run.status == "KILLED")
    assert killed.tags["xfer.pruned_at"] == "50 (probe)" and killed.metrics["cost/tokens"] == 3
    assert (
        next(run for run in trials.values() if run.status == "FAILED").tags["xfer.error"]
        == "RuntimeError: out of memory"
    )
    baseline = next(run for name, run in rows.items() if name.startswith("baseline"))
    best = max(rows.values(), key=lambda run: run.metrics["selected/avg"])
    assert best.metrics["selected/delta"] == pytest.approx(
        best.metrics["selected/avg"] - baseline.metrics["selected/avg"], abs=0.02
    )
    assert set(best.params) == {"intermediate", "mlm_share"} and baseline.params == {"intermediate": "none"}

    again = Mirror(
        store, study, store.start("search", "the same, made again"), SPACE, ("english_dev",), (0, 1)
    )
    again.catch_up()
    assert shown(store, again) == shown(store, mirror)
    before = len(store.children(again.parent))
    again.catch_up()
    Mirror(store, study, again.parent, SPACE, ("english_dev",), (0, 1)).catch_up()
    assert len(store.children(again.parent)) == before == len(runs)


def test_a_trial_costs_under_a_tenth_of_a_second(tracked):
    """CPU time of this process, writer included, beside the same search without a mirror."""

    def spent(mirrored: bool) -> float:
        begun = resource.getrusage(resource.RUSAGE_SELF)
        searched(tracked, 32, mirrored)
        ended = resource.getrusage(resource.RUSAGE_SELF)
        return ended.ru_utime + ended.ru_stime - begun.ru_utime - begun.ru_stime

    searched(tracked, 3)
    assert (spent(True) - spent(False)) / 32 < 0.1
