"""One holder at a time: across processes by file lock, across hosts by MLflow's write-once parameters."""

from __future__ import annotations

import threading
import time

import pytest

from mlflow_xfer.errors import XferError
from mlflow_xfer.tracking import lease
from mlflow_xfer.tracking.lease import Ledger

HOLDER = """
import sys, time
from mlflow_xfer.tracking import lease
with lease.hold(sys.argv[1]):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_holder_keeps_others_out_until_it_dies(python):
    key = "a" * 64 + "-" + "b" * 64
    holder = python(HOLDER, key)
    assert holder.stdout.readline().strip() == "held"
    told = []
    with pytest.raises(XferError) as caught, lease.hold(key, timeout=0.2, waiting=told.append):
        pass
    assert caught.value.exit_code == 75 and len(told) == 1
    with lease.hold("another", timeout=0):
        pass
    holder.kill()
    holder.wait()
    with lease.hold(key, timeout=5):
        pass


@pytest.fixture
def ledgers(local_store, monkeypatch):
    """Three workers on one store; each with a clock of its own that the test moves."""
    monkeypatch.setattr(lease, "_POLL_SECONDS", 0.05)
    made = []
    for n in range(3):
        ledger = Ledger(local_store.client, worker=f"worker-{n}", stale_seconds=10.0)
        ledger.now = 0.0
        ledger.clock = lambda ledger=ledger: ledger.now
        made.append(ledger)
    return made


def test_exactly_one_worker_wins_each_key(local_store):
    workers = [Ledger(local_store.client) for _ in range(4)]
    keys = [f"key{n}" for n in range(8)]
    won: list[tuple[str, str]] = []

    def work(ledger: Ledger) -> None:
        for key in keys:
            if ledger.acquire(key) is not None:
                won.append((key, ledger.worker))

    threads = [threading.Thread(target=work, args=(worker,)) for worker in workers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(key for key, _ in won) == keys
    assert len({ledger.run_id() for ledger in workers}) == 1


def test_a_living_holder_is_waited_for_and_a_dead_one_is_taken_over(ledgers):
    first, second, third = ledgers
    assert first.acquire("k") == 1
    assert first.acquire("k") == 1  # its own
    assert second.acquire("k") is None
    second.now = 9.0
    first.beat("k", 1)
    assert second.acquire("k") is None
    second.now = 18.0  # 9 s after the beat was seen
    assert second.acquire("k") is None
    second.now = 19.5
    assert second.acquire("k") == 2
    assert not first.holds("k", 1) and second.holds("k", 2)
    third.now = 100.0  # a late observer starts its own count
    assert third.acquire("k") is None
    assert first.acquire("k") is None


def test_a_released_key_is_free_at_once(ledgers):
    first, second, _ = ledgers
    generation = first.acquire("k")
    first.release("k", generation)
    assert second.acquire("k") == 2
    assert not first.holds("k", generation)


def test_the_ledger_is_made_once(local_store, ledgers, monkeypatch):
    ids = {ledger.run_id() for ledger in ledgers}
    assert len(ids) == 1
    (experiment,) = [e for e in local_store.client.search_experiments() if e.name == lease.EXPERIMENT]
    assert len(local_store.client.search_runs([experiment.experiment_id])) == 1


def test_a_ledger_whose_maker_died_is_reported(local_store, monkeypatch):
    local_store.client.create_experiment(lease.EXPERIMENT)
    monkeypatch.setattr(lease, "_POLL_SECONDS", 0.01)
    started = time.monotonic()
    with pytest.raises(XferError, match="has no ledger run"):
        lease._ledger_run_id(local_store.client, wait_seconds=0.1)
    assert time.monotonic() - started < 5
