"""One holder at a time: across processes by file lock, across hosts by MLflow's write-once parameters."""

from __future__ import annotations

import threading
import time

import pytest

from mlflow_xfer.errors import XferError
from mlflow_xfer.tracking import lease, ledger
from mlflow_xfer.tracking.ledger import RELEASED, Ledger, beat_tag
from mlflow_xfer.tracking.store import Store

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
def ledgers(local_store):
    """Three workers on one store; each with a clock of its own that the test moves."""
    made = []
    for n in range(3):
        one = Ledger(local_store.client, worker=f"worker-{n}", stale_seconds=10.0)
        one.now = 0.0
        one.clock = lambda one=one: one.now
        made.append(one)
    return made


def race(clients, tag: str) -> None:
    """One worker for each client, in step: each key is won by exactly one, on one ledger."""
    workers = [Ledger(client, worker=f"worker-{n}") for n, client in enumerate(clients)]
    keys = [f"key{n}of{tag}" for n in range(8)]
    won: list[str] = []
    step = threading.Barrier(len(workers))

    def work(one: Ledger) -> None:
        for key in keys:
            step.wait(60)
            if one.acquire(key) is not None:
                won.append(key)

    threads = [threading.Thread(target=work, args=(worker,)) for worker in workers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(won) == keys
    assert len({one.run_id() for one in workers}) == 1


def test_exactly_one_worker_wins_each_key(store):
    race([store.client] * 4, store.experiment_id)  # the server is shared by the session's tests


@pytest.mark.slow
def test_exactly_one_worker_wins_each_key_on_postgresql(postgresql):
    from mlflow import MlflowClient

    uri = postgresql.database().replace("://", "+psycopg2://")
    race([MlflowClient(uri) for _ in range(4)], "")


def test_a_living_holder_is_waited_for_and_a_dead_one_is_taken_over(ledgers):
    first, second, third = ledgers
    assert first.acquire("k") == 1
    assert second.acquire("k") is None
    second.now = 9.0
    first.beat("k", 1)
    assert second.acquire("k") is None
    second.now = 18.0  # 9 s after the beat was seen
    assert second.acquire("k") is None
    second.now = 19.5
    assert second.acquire("k") == 2
    assert first.renew("k", 1) is None and second.renew("k", 2) == 3
    third.now = 100.0  # a late observer starts its own count
    assert third.acquire("k") is None
    assert first.acquire("k") is None
    assert third.acquire("k", dead=lambda holder: holder == "worker-1") == 4  # known to be dead: no wait


def test_who_stood_still_is_seen_without_taking_the_key(ledgers, monkeypatch):
    first, second, third = ledgers
    assert second.stood_still("k") == "", "nobody holds it"
    assert first.acquire("k") == 1
    assert second.stood_still("k") == ""
    second.now = 9.0
    first.beat("k", 1)
    assert second.stood_still("k") == ""
    second.now = 19.5
    assert second.stood_still("k") == first.worker and first.renew("k", 1) == 2
    assert second.stood_still("k") == ""
    with monkeypatch.context() as away:
        away.setattr(second, "_current", lambda name: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            second.stood_still("k")
    second.now = 99.0  # nobody's heartbeat could be seen meanwhile
    assert second.stood_still("k") == ""
    release(first, "k", 2)
    second.now = 200.0
    assert second.stood_still("k") == "" and third.acquire("k") == 3


def test_renewing_keeps_the_key_for_another_wait(ledgers):
    first, second, _ = ledgers
    assert first.acquire("k") == 1 and second.acquire("k") is None
    second.now = 9.9
    assert first.renew("k", 1) == 2
    assert first.renew("k", 1) == 2  # its answer may have been lost
    assert second.acquire("k") is None
    second.now = 19.0
    assert second.acquire("k") is None


def release(ledger, key, generation):
    """As a lease lets go of its key."""
    ledger.client.set_tag(ledger.run_id(), beat_tag(key, generation), RELEASED)


def test_a_released_key_is_free_at_once(ledgers):
    first, second, _ = ledgers
    generation = first.acquire("k")
    release(first, "k", generation)
    assert second.acquire("k") == 2
    assert first.renew("k", generation) is None


def test_what_a_worker_held_itself_it_holds_in_a_new_generation(ledgers):
    first, second, _ = ledgers
    assert first.acquire("k") == 1 and first.acquire("k") == 2
    release(first, "k", 1)  # on its way while the key was taken again
    assert second.acquire("k") is None


def test_an_outage_of_the_store_makes_nobody_look_dead(ledgers, monkeypatch):
    first, second, _ = ledgers
    assert first.acquire("k") == 1 and second.acquire("k") is None
    second.now = 9.0
    with monkeypatch.context() as away:
        away.setattr(Ledger, "_ledger_run", lambda self: (_ for _ in ()).throw(ConnectionError("refused")))
        with pytest.raises(ConnectionError):
            second.acquire("k")
    second.now = 15.0
    assert second.acquire("k") is None
    second.now = 26.0
    assert second.acquire("k") == 2


def test_the_ledger_is_made_once_and_restored_when_somebody_tidied_up(local_store, ledgers, monkeypatch):
    monkeypatch.setattr(ledger, "_POLL_SECONDS", 0.01)
    assert len({one.run_id() for one in ledgers}) == 1
    client = local_store.client
    experiment = client.get_experiment_by_name(ledger.EXPERIMENT)
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.info.status == "FINISHED" and run.info.run_name == "ledger of leases"
    assert run.data.tags[ledger.NOTE] == experiment.tags[ledger.NOTE] == ledger.ABOUT, "it says what it is"
    client.delete_run(ledgers[0].run_id())
    assert ledgers[0].acquire("k") == 1 and ledgers[1].acquire("k") is None
    client.delete_experiment(experiment.experiment_id)
    late = Ledger(client, worker="late")
    assert late.acquire("k") is None and late.run_id() == ledgers[0].run_id()
    assert client.get_run(late.run_id()).info.status == "FINISHED", "leases are written all the same"


def test_a_ledger_whose_maker_died_is_made_by_those_who_wait(local_store, monkeypatch):
    local_store.client.create_experiment(ledger.EXPERIMENT)
    monkeypatch.setattr(ledger, "_POLL_SECONDS", 0.4)
    made: list[str] = []
    threads = [
        threading.Thread(
            target=lambda: made.append(ledger._ledger_run_id(local_store.client, "waiting", wait_seconds=0.1))
        )
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 3 and len(set(made)) == 1


def test_a_store_that_only_this_host_reaches_needs_no_ledger(local_store):
    with lease.across_hosts(local_store, "k", lambda: False) as held:
        held.confirm()
        assert held.holder.startswith(f"{lease.place()}-") and held.ledger is None
    assert local_store.client.get_experiment_by_name(ledger.EXPERIMENT) is None


def test_a_dead_worker_of_this_host_is_known_by_the_file_lock(server, local_store):
    key = f"k{local_store.experiment_id}"
    ended = Ledger(local_store.client, lease.worker_id())
    assert ended.acquire(key) == 1
    started = time.monotonic()
    with lease.hold(key), lease.across_hosts(local_store, key, lambda: False) as held:
        assert held.generation == 2 and held.displaced == ended.worker
        held.confirm()
        assert held.generation == 3
    assert time.monotonic() - started < 5
    local_store.flush()
    assert Ledger(local_store.client, "elsewhere").acquire(key) == 4  # released at the end


def test_a_worker_that_looks_once_displaces_whom_others_know_to_be_dead(server, local_store):
    key = f"k{local_store.experiment_id}"
    ended = Ledger(local_store.client, "elsewhere")
    assert ended.acquire(key) == 1
    for dead, generation in ((), 0), (("another",), 0), (("elsewhere",), 2):
        with Store.open() as looking, lease.across_hosts(looking, key, lambda: True, dead) as held:
            assert (held.held, held.generation) == (bool(generation), generation)


def test_a_holder_that_was_taken_over_may_not_publish(server, local_store):
    key = f"k{local_store.experiment_id}"
    with lease.across_hosts(local_store, key, lambda: False) as held:
        other = Ledger(local_store.client, "elsewhere", stale_seconds=0.0)
        assert other.acquire(key) is None and other.acquire(key) == 2
        with pytest.raises(lease.TakenOver) as caught:
            held.confirm()
        assert caught.value.exit_code == 75
    local_store.flush()
    assert other.renew(key, 2) == 3  # the loser's release is of its own generation


class Counting:
    """An ``MlflowClient`` that counts what is asked of it."""

    def __init__(self, client):
        self.client, self.calls = client, []

    def __getattr__(self, name):
        self.calls.append(name)
        return getattr(self.client, name)


def test_a_phase_that_nobody_else_wants_costs_four_small_requests(server, local_store):
    """However long the ledger is: reading it takes longer with every phase ever held."""
    with lease.across_hosts(local_store, f"k{local_store.experiment_id}", lambda: False):
        pass
    local_store.flush()
    counting = local_store.ledger.client = Counting(local_store.client)
    with lease.across_hosts(local_store, f"l{local_store.experiment_id}", lambda: False) as held:
        held.confirm()
    assert counting.calls == ["log_param"] * 4


@pytest.mark.parametrize("status", [400, 401, 403])
def test_a_server_that_lets_nobody_use_the_ledger_is_used_without(local_store, monkeypatch, status):
    from mlflow.exceptions import MlflowException, get_error_code

    def denies(self, key, dead=None):
        raise MlflowException("no", error_code=get_error_code(status))

    monkeypatch.setattr(lease, "only_here", lambda uri: False)
    monkeypatch.setattr(Ledger, "acquire", denies)
    monkeypatch.setattr(Ledger, "stood_still", denies)
    monkeypatch.setenv("XFER_SERVER_PATIENCE", "1")
    assert lease.dead_holder(local_store, "k") == "" and not local_store.leases
    local_store.leases = True
    with lease.across_hosts(local_store, "k", lambda: False) as held:
        assert held.ledger is None and not local_store.leases
