"""Whose a search is, and what becomes of the trials of a process that died: queued again once each, in the
same run, however often that happens.
"""

from __future__ import annotations

import os
import time

import pytest
from optuna.trial import TrialState

from mlflow_xfer.durable import mounts
from mlflow_xfer.errors import XferError
from mlflow_xfer.searching.space.parsing import read_space
from mlflow_xfer.searching.storage.history import (
    DEATHS,
    DISCARDED,
    ERROR,
    KEY,
    LEFT,
    REACHED,
    RUN_ID,
    History,
)
from mlflow_xfer.searching.storage.place import place
from mlflow_xfer.searching.storage.storages import exclusive
from mlflow_xfer.searching.storage.studies import known_study, open_study
from mlflow_xfer.searching.trying import taking_over
from mlflow_xfer.searching.trying.loop import run_trials
from mlflow_xfer.searching.trying.taking_over import MOST_DEATHS, only_driver, take_over
from mlflow_xfer.searching.trying.trials import Budget
from mlflow_xfer.tracking import lease
from mlflow_xfer.tracking.store import Store
from tests.searching.planted import Runs, retried

SPACE = read_space(None, tuple("abcde"))
STORAGES = [
    "journal",
    pytest.param("sqlite", marks=pytest.mark.slow),
    pytest.param("postgresql", marks=pytest.mark.slow),
]


@pytest.fixture(params=STORAGES)
def opened(request, tmp_path):
    """Opens the study as a process of its own would."""
    storage = {"journal": "auto", "sqlite": "sqlite:///search.db"}.get(
        request.param
    ) or request.getfixturevalue("postgresql").database()
    where = place(storage, "search")
    open_study(where, "search", SPACE.spec(), "http://tracking:5000")
    return lambda: known_study(where, "search")


def ask(study, key="a", **attrs):
    """A running trial with a candidate, as the loop opens it."""
    trial = study.ask()
    own = {KEY: key, "xfer.tasks": [key], "xfer.settings": []} | attrs
    for name, value in own.items():
        trial.set_user_attr(name, value)
    return trial.number


def test_what_a_dead_process_left_running_is_queued_again_once(opened):
    left = [ask(opened(), key, **{RUN_ID: f"run-{key}"}) for key in "ab"]
    assert take_over(opened(), SPACE) == left and take_over(opened(), SPACE) == []
    trials = opened().trials
    assert [t.state.name for t in trials] == ["FAIL", "FAIL", "WAITING", "WAITING"]
    assert [t.user_attrs[KEY] for t in trials] == ["a", "b", "a", "b"] and retried(opened()) == left
    assert trials[2].user_attrs[RUN_ID] == "run-a", "its run goes on"
    assert LEFT in trials[0].user_attrs and "died" in trials[0].user_attrs[ERROR]


def test_one_that_dies_between_queueing_and_failing_leaves_nothing_to_do_twice(opened, monkeypatch):
    number, study = ask(opened()), opened()
    with monkeypatch.context() as death, pytest.raises(KeyboardInterrupt):
        death.setattr(study, "tell", lambda *args, **more: (_ for _ in ()).throw(KeyboardInterrupt()))
        take_over(study, SPACE)
    assert [t.state for t in opened().trials] == [TrialState.RUNNING, TrialState.WAITING]
    assert take_over(opened(), SPACE) == [number] and retried(opened()) == [number]
    assert [t.state for t in opened().trials] == [TrialState.FAIL, TrialState.WAITING]


def died(opened, deaths, reached):
    """The trial that runs candidate ``a`` next, and dies so far on."""
    study = opened()
    number = ask(study) if not deaths else study.ask().number
    trial = study._storage.get_trial_id_from_study_id_trial_number(study._study_id, number)
    study._storage.set_trial_user_attr(trial, REACHED, reached)
    assert take_over(opened(), SPACE) == [number]


def test_a_candidate_that_kills_its_process_is_given_up(opened):
    for deaths in range(MOST_DEATHS):
        died(opened, deaths, [2, 7])
    last = opened().trials[-1]
    assert len(opened().trials) == MOST_DEATHS and last.state == TrialState.FAIL
    assert f"{MOST_DEATHS} processes died" in last.user_attrs[ERROR] and LEFT not in last.user_attrs


def test_one_that_is_pre_empted_and_gets_further_is_not(opened):
    for deaths in range(2 * MOST_DEATHS):
        died(opened, deaths, [1, 10 * deaths])
    last = opened().trials[-1]
    assert last.state == TrialState.WAITING and last.user_attrs[DEATHS][0] == 1


def test_deaths_of_a_process_that_trains_in_others_are_not_a_candidates_doing(opened):
    ask(opened())
    for _ in range(2 * MOST_DEATHS):
        (number,) = take_over(opened(), SPACE)
        assert opened().trials[number].state == TrialState.FAIL
        opened().ask()
    assert len(retried(opened())) == 2 * MOST_DEATHS


def test_one_that_died_before_it_had_a_candidate_costs_nothing(opened):
    opened().ask()
    assert take_over(opened(), SPACE) == [0]
    (trial,) = opened().trials
    assert trial.state == TrialState.FAIL and DISCARDED in trial.user_attrs
    assert History.of(opened()).counted == []


def test_a_wish_whose_process_died_before_looking_at_it_is_not_lost(opened):
    study = opened()
    study.enqueue_trial({f"task.{name}": int(name == "c") for name in "abcde"})
    study.ask()
    take_over(opened(), SPACE)
    runs = Runs()
    run_trials(opened(), SPACE, runs, Budget(n_trials=2))
    assert runs.keys == ["c", "baseline"]


def test_an_interrupted_training_is_queued_again_and_ends_the_command(opened):
    from mlflow_xfer.training.parts import Interrupted

    with pytest.raises(Interrupted):
        run_trials(opened(), SPACE, Runs({2: Interrupted(7)}), Budget(n_trials=4))
    runs = Runs()
    run_trials(opened(), SPACE, runs, Budget(n_trials=4))
    assert runs.keys == ["a", "b", "c"] and retried(opened()) == [1]


# -- one process ---------------------------------------------------------------------------------------------


@pytest.fixture
def tracked():
    with Store.open(probe=False) as opened:
        yield opened


def drives(where, name, store):
    return only_driver(known_study(where, name), where, store)


def begin(storage, *names):
    for name in names:
        open_study(place(storage, name), name, SPACE.spec(), "http://tracking:5000")
    return [place(storage, name) for name in names]


def refused(where, name, store):
    with pytest.raises(XferError) as caught, drives(where, name, store):
        pass
    assert caught.value.exit_code == 75 and f"Process {os.getpid()} on" in caught.value.what
    return caught.value.what


def test_a_second_process_is_refused_and_the_first_is_named(tracked):
    (where,) = begin("searches.log", "one")
    (other,) = begin("searches.log", "two")
    with drives(where, "one", tracked):
        assert "runs the search 'one' now" in refused(where, "one", tracked)
        with drives(other, "two", tracked):
            pass
    with drives(where, "one", tracked):
        pass


def test_sqlite_serves_one_search_at_a_time(tracked):
    one, two = begin("sqlite:///searches.db", "one", "two")
    with drives(one, "one", tracked):
        assert "runs the searches in" in refused(one, "one", tracked)
        with pytest.raises(XferError, match="runs the searches in"), drives(two, "two", tracked):
            pass
    with drives(two, "two", tracked):
        pass


def elsewhere(monkeypatch, tmp_path):
    """From now on this process is one of another host, whose locks are its own."""
    monkeypatch.setattr(taking_over, "_lock_file", lambda *args: tmp_path / "node2.lock")
    monkeypatch.setattr(lease, "place", lambda: "node2-1")


def test_a_process_of_another_host_is_refused_while_the_first_lives(tracked, monkeypatch, tmp_path):
    """A file on a network file system: the lease in the tracking store says whose it is."""
    monkeypatch.setattr(mounts, "_file_system", lambda path: "nfs4")
    monkeypatch.setenv("XFER_STALE_SECONDS", "3")
    (where,) = begin("searches.log", "one")
    with drives(where, "one", tracked) as confirm:
        with monkeypatch.context() as node2, Store.open(probe=False) as other:
            elsewhere(node2, tmp_path)
            refused(where, "one", other)
        confirm()


def test_what_a_dead_process_of_another_host_held_is_taken_over(tracked, monkeypatch, tmp_path):
    monkeypatch.setattr(mounts, "_file_system", lambda path: "nfs4")
    monkeypatch.setenv("XFER_STALE_SECONDS", "3")
    (where,) = begin("searches.log", "one")
    with monkeypatch.context() as still:
        still.setattr(lease, "Heartbeat", lambda *args, **more: type("Still", (), {"stop": lambda *_: None}))
        stalled = drives(where, "one", tracked)
        confirm = stalled.__enter__()
    with monkeypatch.context() as node2, Store.open(probe=False) as other:
        elsewhere(node2, tmp_path)
        began = time.monotonic()
        with drives(where, "one", other) as own:
            assert time.monotonic() - began >= 3
            with pytest.raises(XferError, match="took the search 'one' over") as caught:
                confirm()
            assert caught.value.exit_code == 75
            own()


def test_one_process_at_a_time_opens_a_study(opened, tmp_path):
    import threading

    where, order = place("auto", "search"), []
    storage = opened()._storage

    def enter() -> None:
        with exclusive(where, storage):
            order.append("other")

    with exclusive(where, storage):
        thread = threading.Thread(target=enter)
        thread.start()
        thread.join(0.3)
        order.append("one")
    thread.join()
    assert order == ["one", "other"]
