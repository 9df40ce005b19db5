"""Runs of phases that a process left RUNNING when it died: the next one that makes the phase ends them."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections import Counter

import pytest

from mlflow_xfer.commands import doctor
from mlflow_xfer.conditions import condition
from mlflow_xfer.conditions.crew import Crew
from mlflow_xfer.conditions.transfers import open_condition
from mlflow_xfer.durable.locks import held
from mlflow_xfer.home import work
from mlflow_xfer.phases import endings, record
from mlflow_xfer.phases.execute import Executor
from mlflow_xfer.tracking import lease
from mlflow_xfer.tracking.spool import Spool
from tests.conftest import ROOT, link_caches

VICTIM = """
import os, signal
from mlflow_xfer.params import parse
from mlflow_xfer.phases import endings, record
from mlflow_xfer.phases.execute import Executor
from mlflow_xfer.phases.plan import make_plan
from mlflow_xfer.phases.references import References
from mlflow_xfer.tracking.store import Store
from tests.conditions.conftest import TINY

endings.hold_run = lambda work, run_id: os.kill(os.getpid(), signal.SIGKILL)
plan = make_plan("transfer", parse("transfer", TINY), References(lambda: None))
Executor(Store.open()).ensure(plan.phases[0])
"""
"""Dies when it has opened the run of a phase, before it has noted which one it is."""


@pytest.fixture
def die(own_store, caches, session_folder):
    """A process that dies as it makes the base, in a home of that name."""

    def dying(home) -> None:
        if not home.exists():
            link_caches(home, session_folder)
        own = {**os.environ, "PYTHONPATH": str(ROOT), "XFER_HOME": str(home)}
        ended = subprocess.run([sys.executable, "-c", VICTIM], env=own, capture_output=True, text=True)
        assert ended.returncode == -signal.SIGKILL, ended.stderr

    return dying


def states(store) -> Counter:
    store.flush()
    return Counter(run.status for run in store.search({"xfer.kind": "phase"}))


def left_by(store, phase, worker: str) -> str:
    """A run of ``phase`` that is RUNNING, as if that worker made it."""
    return record.open_phase(
        store, phase, Executor(store).code(phase), (), parent=None, run_id=None, suite="", holder=worker
    )


@pytest.mark.parametrize("home", ["home", "emptied"])
def test_what_a_killed_process_left_running_is_ended_by_the_next_one(die, store, plan, home, tmp_path):
    die(tmp_path / home)
    assert states(store) == {"RUNNING": 1}
    Executor(store).ensure(plan().phases[0])
    assert states(store) == {"KILLED": 1, "FINISHED": 1}


def test_that_of_a_living_process_and_of_an_unknown_one_stay(store, plan):
    base = plan().phases[0]
    alive = f"{socket.gethostname()}-0123abcd-{os.getpid()}-abc"
    stay = {left_by(store, base, worker) for worker in (alive, "elsewhere-0123abcd-1-abc", "odd", "")}
    dead = left_by(store, base, lease.worker_id())
    made = Executor(store).ensure(base).run_id
    store.flush()
    assert {run.run_id for run in store.search({"xfer.kind": "phase"}, status="RUNNING")} == stay
    assert store.get(dead).status == "KILLED" and store.get(made).status == "FINISHED"


@pytest.mark.parametrize(("where", "name"), [("store", "dict_artifact"), ("endings", "hold_run")])
@pytest.mark.parametrize(("error", "end"), [(KeyboardInterrupt, "KILLED"), (RuntimeError, "FAILED")])
def test_a_run_is_ended_whatever_goes_wrong_once_it_is_open(
    store, plan, monkeypatch, where, name, error, end
):
    def fails(*_):
        raise error

    monkeypatch.setattr(store if where == "store" else endings, name, fails)
    with pytest.raises(error):
        Executor(store).ensure(plan().phases[0])
    assert states(store) == {end: 1}


def test_conditions_are_ended_where_a_later_one_cannot_be_opened(store, plan, monkeypatch):
    opened = []

    def once(*asked, **how):
        if opened:
            raise RuntimeError
        opened.append(open_condition(*asked, **how))
        return opened[0]

    monkeypatch.setattr(condition, "open_condition", once)
    both = [condition.Condition(plan(target=target)) for target in ("choice", "mood")]
    with pytest.raises(RuntimeError):
        condition.run_conditions(Executor(store), both, Crew(), "", shared=False)
    store.flush()
    assert store.get(opened[0]).status == "FAILED"


def test_the_doctor_ends_what_nobody_makes_any_more(store, plan):
    base = plan().phases[0]
    key, mine = Executor(store).key(base), lease.worker_id()
    lost, resumable = left_by(store, base, mine), left_by(store, base, mine)
    elsewhere = left_by(store, base, "elsewhere-0123abcd-1-abc")
    endings.hold_run(work() / key, resumable)
    store.flush()
    with held(lease.lock_file(key)):
        said = doctor.store(fix=True)
        assert said.count(doctor.RUNS) == 2 and doctor.LOST in said and states(store) == {"RUNNING": 3}
    said = doctor.store()
    assert (
        f"{lost} {base.title}: {doctor.GONE}" in said and f"{resumable} {base.title}: {doctor.LEFT}" in said
    )
    assert doctor.store(fix=True).count(": ended") == 2
    assert [run.run_id for run in store.search({}, status="RUNNING")] == [elsewhere]
    assert Executor(store).ensure(base).run_id == resumable, "it still goes on there"


def test_the_doctor_leaves_what_has_ended_since_and_what_is_still_to_be_told(store, plan):
    base = plan().phases[0]
    run_id = left_by(store, base, lease.worker_id())
    store.flush()
    run = store.get(run_id)
    assert endings.is_left(store, run)
    other = Spool.create(store.uri)
    other.append({"op": "finish", "run": run_id, "status": "FINISHED"})
    assert not endings.is_left(store, run)
    other.close(remove=True)
    assert endings.is_left(store, run)
    store.finish(run_id)
    assert not endings.is_left(store, run, end=True) and states(store) == {"FINISHED": 1}
