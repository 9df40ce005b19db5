"""A run of a dead command is gone on with; one of a living command is its own."""

from __future__ import annotations

import subprocess
import sys

import pytest

from mlflow_xfer.tracking import drivers
from mlflow_xfer.tracking.store import Store

NAME = "from mlflow_xfer.tracking import drivers; print(drivers.this_driver(), flush=True); input()"


@pytest.fixture
def store(own_store):
    with Store.open() as opened:
        yield opened


@pytest.fixture
def other():
    """Another process that is a driver, and its name."""
    with subprocess.Popen(
        [sys.executable, "-c", NAME], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield process, process.stdout.readline().strip()
        process.kill()


def opened(store, **more):
    return drivers.open_driven(store, "transfer", "t", tags={"xfer.plan_hash": "p"}, **more)


def test_a_driver_is_dead_when_its_process_is(other):
    process, name = other
    assert drivers.is_here(name) and not drivers.is_dead(name) and not drivers.is_dead(drivers.this_driver())
    process.kill()
    process.wait()
    assert drivers.is_dead(name) and drivers.is_dead(name)
    assert not drivers.is_dead("elsewhere-12345678-1-abc"), "of another machine nothing is known"


def test_two_living_drivers_keep_their_own_and_a_dead_ones_is_taken_over(store, other):
    process, name = other
    theirs = opened(store)
    store.tags(theirs, {drivers.DRIVER: name})
    store.flush()
    mine = opened(store)
    assert mine != theirs
    store.finish(mine)
    process.kill()
    process.wait()
    assert opened(store, parent=mine) not in (mine, theirs), "it was no child of that run"
    assert opened(store) == theirs and store.get(theirs).tags[drivers.DRIVER] == drivers.this_driver()


def test_the_run_that_mlflow_opened_is_taken_and_the_other_one_ended(store, other):
    process, name = other
    theirs = opened(store)
    store.tags(theirs, {drivers.DRIVER: name})
    store.flush()
    process.kill()
    process.wait()
    fresh = store.start("transfer", "of mlflow run")
    assert opened(store, opened=fresh) == fresh
    store.flush()
    assert store.get(theirs).status == "KILLED" and store.get(fresh).status == "RUNNING"
