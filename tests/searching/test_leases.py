"""Dead workers' trials: found, failed and queued again exactly once,
whoever notices, and however often they die.
"""

from __future__ import annotations

import os
import threading
import time

import pytest
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import TrialState

from mlflow_xfer.durable.heartbeat import Heartbeat
from mlflow_xfer.searching import leases
from mlflow_xfer.searching.history import DISCARDED, ERROR, KEY, RETRIED_FROM, History
from mlflow_xfer.searching.leases import DIED, RETRIES, LeasedStudy
from mlflow_xfer.searching.loop import run_worker
from mlflow_xfer.searching.opening import join_study, open_study
from mlflow_xfer.searching.place import place
from mlflow_xfer.searching.storage import exclusive
from mlflow_xfer.searching.trials import Budget
from tests.searching.fast_runs import SPACE
from tests.searching.planted import Runs, retried

IDENTITY = SPACE.spec()


@pytest.fixture(params=["journal", "sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def opened(request, tmp_path, monkeypatch):
    """Opens the study as a process of its own would."""
    monkeypatch.setenv("XFER_HEARTBEAT_SECONDS", "1")
    storage = {"journal": "auto", "sqlite": "sqlite:///search.db"}.get(
        request.param
    ) or request.getfixturevalue("postgresql").database()
    where = place(storage, "search")
    open_study(where, "search", IDENTITY, "http://tracking:5000")
    return lambda: join_study(where, "search")


def abandon(study: LeasedStudy) -> None:
    """What is left when the process of ``study`` is killed: nobody holds its leases, nobody beats."""
    for held in study.leases._held.values():
        held.stop() if isinstance(held, Heartbeat) else held.release()
    study.leases._held.clear()


def ask(study: LeasedStudy, key: str = "a") -> int:
    """A running trial with a candidate, as the loop opens it."""
    trial = study.ask()
    trial.set_user_attr(KEY, key)
    trial.set_user_attr("xfer.tasks", [key])
    trial.set_user_attr("xfer.settings", [])
    return trial.number


def reap(study: LeasedStudy, seconds: float = 15.0) -> list[int]:
    """Look for dead trials until there is one: heartbeats take a while to be missed."""
    deadline, found = time.monotonic() + seconds, []
    while not found and time.monotonic() < deadline:
        found = study.reap(SPACE)
        time.sleep(0.0 if found or not study.where.is_server else 0.3)
        if not study.where.is_server:
            break
    return found


def test_a_dead_workers_trial_is_failed_and_queued_again_and_a_living_ones_is_not(opened):
    dead, living, observer = opened(), opened(), opened()
    first, second = ask(dead, "a"), ask(living, "b")
    assert observer.reap(SPACE) == [] and observer.others() == 2
    abandon(dead)
    assert reap(observer) == [first]
    assert observer.others() == 1 and living.reap(SPACE) == []
    trials = opened().trials
    assert [t.state for t in trials] == [TrialState.FAIL, TrialState.RUNNING, TrialState.WAITING]
    assert (
        trials[2].user_attrs[RETRIED_FROM] == first
        and trials[2].user_attrs[KEY] == "a"
        and "died" in trials[0].user_attrs[ERROR]
    )
    living.tell(second, 1.0)
    assert observer.reap(SPACE) == [] and not any(
        observer.where.path and f.name.startswith("trial-")
        for f in (observer.where.leases.iterdir() if observer.where.path else ())
    )


def test_several_that_notice_at_once_queue_it_once(opened):
    dead = opened()
    numbers = [ask(dead, key) for key in "abc"]
    abandon(dead)
    observers = [opened() for _ in range(4)]
    found: list[int] = []
    threads = [threading.Thread(target=lambda one=one: found.extend(reap(one, 8.0))) for one in observers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == numbers
    assert sorted(retried(opened())) == numbers and len(opened().trials) == 6


def test_one_that_dies_between_queueing_and_failing_leaves_nothing_to_do_twice(opened, monkeypatch):
    dead, reaper = opened(), opened()
    number = ask(dead)
    abandon(dead)
    with monkeypatch.context() as death:
        death.setattr(
            LeasedStudy, "tell", lambda self, *args, **more: (_ for _ in ()).throw(KeyboardInterrupt())
        )
        with pytest.raises(KeyboardInterrupt):
            reap(reaper)
    assert [t.state for t in opened().trials] == [TrialState.RUNNING, TrialState.WAITING]
    assert reap(opened()) == [number] and retried(opened()) == [number]
    assert [t.state for t in opened().trials] == [TrialState.FAIL, TrialState.WAITING]


def test_a_candidate_that_kills_its_workers_is_given_up(opened):
    for deaths in range(RETRIES + 1):
        worker = opened()
        number = ask(worker) if not deaths else worker.ask().number
        abandon(worker)
        assert reap(opened()) == [number]
    trials = opened().trials
    assert len(trials) == RETRIES + 1 and all(
        t.state == TrialState.FAIL and t.user_attrs[DIED] for t in trials
    )
    assert f"{RETRIES + 1} workers died" in trials[-1].user_attrs[ERROR] and opened().reap(SPACE) == []


def test_one_that_died_before_it_had_a_candidate_costs_nothing(opened):
    worker = opened()
    worker.ask()
    abandon(worker)
    study = opened()
    assert reap(study) == [0]
    (trial,) = study.trials
    assert (
        trial.state == TrialState.FAIL and DISCARDED in trial.user_attrs and History.of(study).counted == []
    )


def test_a_wish_whose_worker_died_before_looking_at_it_is_not_lost(opened):
    worker = opened()
    worker.enqueue_trial({f"task.{name}": int(name == "c") for name in "abcde"})
    worker.ask()
    abandon(worker)
    study, runs = opened(), Runs()
    assert reap(study) == [0]
    run_worker(study, SPACE, runs, Budget(n_trials=2))
    assert runs.keys == ["c", "baseline"]


def test_a_worker_taken_for_dead_is_told_and_goes_on(opened):
    """It was stopped, say: another worker has its trial,
    so what it found is dropped, and it takes the next one.
    """
    stalled, other = opened(), opened()
    runs = Runs()

    def run(trial):
        if trial.number == 0:
            abandon(stalled)
            assert reap(other) == [0]
        return runs(trial)

    assert (
        run_worker(stalled, SPACE, run, Budget(n_trials=4), between=lambda: stalled.reap(SPACE)) == "n_trials"
    )
    study = opened()
    assert study.trials[0].state == TrialState.FAIL and study.trials[0].values is None
    assert retried(study) == [0] and [t.user_attrs[KEY] for t in History.of(study).counted] == [
        "baseline",
        "a",
        "b",
        "c",
    ]
    with pytest.raises(UpdateFinishedTrialError):
        stalled.tell(0, 1.0)


def test_an_interrupted_training_is_queued_again_and_ends_the_worker(opened):
    from mlflow_xfer.training.parts import Interrupted

    study = opened()
    with pytest.raises(Interrupted):
        run_worker(study, SPACE, Runs({2: Interrupted(7)}), Budget(n_trials=4))
    runs = Runs()
    run_worker(opened(), SPACE, runs, Budget(n_trials=4))
    assert runs.keys == ["a", "b", "c"] and retried(opened()) == [1]


def test_one_process_at_a_time(opened):
    one, other = opened(), opened()
    order: list[str] = []

    def enter() -> None:
        with exclusive(other.where, other._storage):
            order.append("other")

    with exclusive(one.where, one._storage):
        thread = threading.Thread(target=enter)
        thread.start()
        thread.join(0.3)
        order.append("one")
    thread.join()
    assert order == ["one", "other"]


@pytest.mark.slow
def test_a_database_that_comes_back_finds_nobody_dead(postgresql, monkeypatch):
    """For as long as it is away nobody can beat: that is no sign of death. Nor does a worker end with it."""
    monkeypatch.setenv("XFER_HEARTBEAT_SECONDS", "1")
    where = place(postgresql.database(), "search")
    open_study(where, "search", IDENTITY, "http://tracking:5000")
    living, observer = join_study(where, "search"), join_study(where, "search")
    number = ask(living)
    assert observer.reap(SPACE) == []
    postgresql.stop()
    threading.Timer(5.0, postgresql.start).start()
    assert observer.reap(SPACE) == []  # waits until it is back
    for _ in range(10):
        assert observer.reap(SPACE) == []
        time.sleep(0.3)
    living.tell(number, 1.0)
    assert [t.state for t in observer.trials] == [TrialState.COMPLETE]


def test_leases_of_a_file_are_the_systems_locks(tmp_path):
    """They go with their process: here a child that ends without a word."""
    file_leases = leases.FileLeases(tmp_path / "leases")
    child = os.fork()
    if not child:
        leases.FileLeases(tmp_path / "leases").take(1, 0)
        os._exit(0)
    os.waitpid(child, 0)
    file_leases.take(2, 1)
    running = [type("T", (), {"_trial_id": n})() for n in (1, 2, 3)]
    assert [t._trial_id for t in leases.FileLeases(tmp_path / "leases").dead(running)] == [1, 3]
