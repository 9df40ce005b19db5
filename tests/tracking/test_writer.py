"""Nothing is lost and nothing waits: outages, killed processes, several writers."""

from __future__ import annotations

import errno
import shutil
import signal
import sqlite3
import threading
import time

import pytest

from mlflow_xfer.errors import XferError
from mlflow_xfer.tracking import spool, sync
from mlflow_xfer.tracking.score_tables import TABLE
from mlflow_xfer.tracking.store import Store

# Opens a run, tells its id, waits for a line, logs, tells so.
TRAINING = """
import sys
from mlflow_xfer.tracking.store import Store
store = Store.open()
run = store.start("phase", "p", params={"seed": 1})
store.flush()
print(run, flush=True)
sys.stdin.readline()
for step in range(400):
    store.metrics(run, {"loss": 1 / (step + 1)}, step)
print("logged", flush=True)
"""


def history(store: Store, run: str, key: str) -> list[int]:
    return sorted(metric.step for metric in store.client.get_metric_history(run, key))


def test_a_server_that_goes_and_comes_back_gets_everything_exactly_once(server, tmp_path):
    """Metrics flow on while the server is killed and started again; no call waits for it."""
    store = Store.open()
    run = store.start("phase", "p")
    slowest, step = 0.0, 0

    def train(seconds: float) -> None:
        nonlocal slowest, step
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            before = time.perf_counter()
            store.metrics(run, {"loss": 0.5, "rate": step}, step)
            slowest = max(slowest, time.perf_counter() - before)
            step += 1
            time.sleep(0.005)

    train(1.5)  # some of it is being sent
    server.kill()
    train(1.0)
    (tmp_path / "predictions.txt").write_text("during the outage")
    store.artifact(run, tmp_path / "predictions.txt")
    store.tags(run, {"xfer.note": "during the outage"})
    (tmp_path / "predictions.txt").unlink()
    assert not store.finish(run, patience=0.5)
    server.start(wait=False)
    while not server.answers():
        train(0.2)
    train(0.2)
    assert store.finish(run, patience=60)

    assert slowest < 0.25
    assert history(store, run, "loss") == history(store, run, "rate") == list(range(step))
    seen = store.get(run)
    assert (seen.status, seen.tags["xfer.note"]) == ("FINISHED", "during the outage")
    assert store.read_artifact(run, "predictions.txt") == "during the outage"
    assert store.close() == 0


def test_undelivered_records_are_counted_and_sent_later(monkeypatch):
    store = Store.open()
    run = store.start("phase", "p")
    with monkeypatch.context() as away:
        away.setattr(store.client, "log_batch", _away)
        away.setattr(store.client, "set_terminated", _away)
        for step in range(10):
            store.metrics(run, {"loss": 1.0}, step)
        assert not store.finish(run, patience=0.1)
        assert store.close(patience=0.1) == 11
    (replayed,) = sync.sync()
    assert (replayed.delivered, replayed.left, replayed.reason) == (11, 0, "")
    assert sync.sync() == []
    with Store.open() as later:
        assert history(later, run, "loss") == list(range(10))
        assert later.get(run).status == "FINISHED"


def test_what_was_kept_for_an_address_is_delivered_to_the_server_that_had_it(local_store):
    from mlflow_xfer.tracking.spool import Spool

    old, run = "http://127.0.0.1:9", local_store.start("phase", "p")
    left = Spool.create(old)
    left.append({"op": "tags", "run": run, "ts": 0, "tags": {"a": "b"}})
    left.close(remove=False)
    (report,) = sync.sync(old)
    assert (report.delivered, report.left, report.uri) == (1, 0, local_store.uri)
    assert local_store.get(run).tags["a"] == "b"


def test_a_store_with_credentials_is_replayed_only_while_it_is_the_active_one(monkeypatch):
    from mlflow_xfer.tracking.spool import Spool

    uri = "http://user:hunter2@127.0.0.1:9"
    left = Spool.create(uri)
    left.append({"op": "tags", "run": "r", "ts": 0, "tags": {"a": "b"}})
    left.close(remove=False)
    (report,) = sync.sync()
    assert (report.delivered, report.left) == (0, 1) and "MLFLOW_TRACKING_URI" in report.reason
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    (report,) = sync.sync()
    assert report.left == 1 and "MLFLOW_TRACKING_URI" not in report.reason
    assert "hunter2" not in report.reason


def test_a_killed_process_loses_nothing(python, tmp_path):
    """SIGKILL right after the last metric, while the database is locked:
    the next open delivers everything.
    """
    victim = python(TRAINING + "sys.stdin.readline()")
    run = told(victim)
    lock = sqlite3.connect(tmp_path / "mlflow.db", isolation_level=None)
    lock.execute("BEGIN IMMEDIATE")
    tell(victim)
    assert told(victim) == "logged"
    victim.send_signal(signal.SIGKILL)
    victim.wait()
    lock.execute("ROLLBACK")
    lock.close()
    (left,) = [path for path in spool.root().glob("*/*") if (path / "log.jsonl").exists()]
    assert (left / "log.jsonl").read_bytes().count(b"metrics") >= 400

    with Store.open() as store:
        assert history(store, run, "loss") == list(range(400))
        assert not left.exists()
        store.start("phase", "p", run_id=run)  # and the run goes on
        store.metrics(run, {"loss": 0.0}, 400)
        store.finish(run)
        assert history(store, run, "loss") == list(range(401))


@pytest.mark.parametrize("sync", [True, False])
def test_the_next_command_of_a_process_waits_for_what_the_last_one_still_sends(monkeypatch, sync):
    """A command that ended with 75 may have left a request under way: its points are no second ones."""
    first = Store.open()
    run, sent, usual = first.start("phase", "p"), threading.Event(), first.client.log_batch
    first.flush()

    def log_batch(*given, **named):
        sent.wait(20)
        usual(*given, **named)

    monkeypatch.setattr(first.client, "log_batch", log_batch)
    log_and_end(first, run, limit=0.3)
    assert first.close(limit=0.1)
    with monkeypatch.context() as waiting:
        waiting.setattr(time, "sleep", lambda seconds: sent.set())  # it is sent once somebody waits for it
        with Store.open(sync=sync) as second:
            second.start("phase", "p", run_id=run)
            log_and_end(second, run)
    sent.set()
    first.writer._thread.join()
    with Store.open() as store:
        assert history(store, run, "loss") == [0, 1, 2]
    assert not [path for path in spool.root().glob("*/*") if (path / "log.jsonl").exists()]


def log_and_end(store: Store, run: str, limit: float | None = None) -> None:
    for step in range(3):
        store.metrics(run, {"loss": 1 / (step + 1)}, step)
    store.finish(run, "KILLED", limit=limit)


def test_a_late_finish_of_a_dead_process_does_not_close_a_resumed_run(monkeypatch, tmp_path):
    """Its FAILED was spooled; meanwhile the run was resumed elsewhere, where the spool is not seen."""
    first = Store.open()
    run = first.start("phase", "p")
    first.flush()
    with monkeypatch.context() as away:
        away.setattr(first.client, "log_batch", _away)
        away.setattr(first.client, "set_terminated", _away)
        first.metrics(run, {"loss": 1.0}, 0)
        first.finish(run, "FAILED", patience=0.1)
        assert first.close(patience=0.1) == 2
    time.sleep(0.01)
    with monkeypatch.context() as elsewhere:
        elsewhere.setenv("XFER_HOME", str(tmp_path / "elsewhere"))
        second = Store.open()
        second.start("phase", "p", run_id=run)
    sync.replay(second.client, second.uri)
    assert history(second, run, "loss") == [0]
    assert second.get(run).status == "RUNNING"
    second.close()


def _away(*_, **__):
    raise ConnectionError("away")


def test_processes_that_start_together_make_one_database_and_all_write_to_it(python, tmp_path):
    """Two processes find no database; both then log into it, and a third into the run of one of them."""
    (tmp_path / "mlflow.db").unlink()
    writers = [python(TRAINING + "sys.exit(store.close())") for _ in range(2)]
    runs = [told(writer) for writer in writers]
    with Store.open() as store:
        assert {store.get(run).experiment_id for run in runs} == {store.experiment_id}
        for writer in writers:
            tell(writer)
        for step in range(50):
            store.metrics(runs[0], {"other": step}, step)
            time.sleep(0.002)
        assert [writer.wait() for writer in writers] == [0, 0]
        assert store.flush()
        assert [history(store, run, "loss") for run in runs] == [list(range(400))] * 2
        assert history(store, runs[0], "other") == list(range(50))


def test_replaying_a_whole_log_again_changes_nothing(local_store, tmp_path):
    run = local_store.start("phase", "p", params={"a": 1})
    (tmp_path / "x.txt").write_text("x")
    for step in range(20):
        local_store.metrics(run, {"loss": float("nan") if step == 3 else step}, step)
    local_store.artifact(run, tmp_path / "x.txt")
    local_store.input(run, {"task": "t", "split": "test", "language": "en", "identity": "sha256:ab"}, "test")
    model = local_store.client.create_logged_model(local_store.experiment_id, name="model").model_id
    local_store.model_input(run, model)
    local_store.finish(run)
    before = local_store.client.get_run(run).to_dictionary()
    copy = local_store.writer.spool.path.parent / "replayed"
    shutil.copytree(local_store.writer.spool.path, copy)
    (copy / "offset").unlink()
    (replayed,) = sync.replay(local_store.client, local_store.uri)
    assert (replayed.delivered, replayed.left) == (25, 0)
    assert [one.model_id for one in local_store.client.get_run(run).inputs.model_inputs] == [model]
    assert local_store.client.get_run(run).to_dictionary() == before
    assert history(local_store, run, "loss") == list(range(20))


def test_logging_costs_microseconds(local_store):
    run = local_store.start("phase", "p")
    before = time.perf_counter()
    for step in range(2000):
        local_store.metrics(run, {"train/loss": 0.1, "train/learning_rate": 0.1}, step)
    assert (time.perf_counter() - before) / 2000 < 0.001


def told(process) -> str:
    line = process.stdout.readline().strip()
    assert line, process.stderr.read()
    return line


def tell(process) -> None:
    process.stdin.write("\n")
    process.stdin.flush()


def test_a_full_disk_ends_every_wait_and_room_delivers(monkeypatch):
    store = Store.open()
    run = store.start("phase", "p")

    with monkeypatch.context() as disk:
        disk.setattr(store.writer.spool, "append", _no_room)
        store.metrics(run, {"loss": 1.0}, 0)
        store.metrics(run, {"loss": 0.5}, 1)
        assert not store.finish(run, patience=0.2), "told, not waited for"
    assert store.finish(run) and history(store, run, "loss") == [0, 1]
    assert store.get(run).status == "FINISHED" and store.close() == 0


def test_what_a_full_disk_lost_is_said(monkeypatch, caplog):
    store = Store.open()
    run = store.start("phase", "p")
    store.flush()
    monkeypatch.setattr(store.writer.spool, "append", _no_room)
    store.metrics(run, {"loss": 1.0}, 0)
    assert store.close(patience=0.1) == 1
    assert "1 tracking records are lost" in caplog.text and "Make room" in caplog.text


def test_what_artifacts_have_no_room_for_waits_and_is_not_set_aside(monkeypatch):
    store = Store.open()
    run, usual = store.start("phase", "p"), store.client.log_artifact
    store.flush()
    monkeypatch.setattr(store.client, "log_artifact", _no_room)
    store.text_artifact(run, "a text", "a.txt")
    assert not store.finish(run, patience=0.2) and store.writer.spool.rejected() == 0
    monkeypatch.setattr(store.client, "log_artifact", usual)
    assert store.finish(run) and store.read_artifact(run, "a.txt") == "a text" and store.close() == 0


def _no_room(*_):
    raise OSError(errno.ENOSPC, "No space left on device")


def test_nobody_waits_for_a_writer_that_gets_nowhere(monkeypatch):
    store = Store.open()
    run, hanging = store.start("phase", "p"), threading.Event()
    store.flush()
    with monkeypatch.context() as stuck:
        stuck.setattr(store.client, "log_batch", lambda *given, **named: hanging.wait(20))
        stuck.setattr("mlflow_xfer.tracking.writer._STALLED", 0.3)
        store.metrics(run, {"loss": 1.0}, 0)
        began = time.monotonic()
        assert not store.flush() and time.monotonic() - began < 10
        hanging.set()
    store.close()


def test_what_was_logged_here_is_read_when_it_is_there_and_not_missed_before(local_store, monkeypatch):
    """Read too early, a table that is on its way looks like one that was never logged."""
    from mlflow_xfer.phases import record

    store, away = local_store, True
    run, usual = store.start("phase", "p"), store.client.log_artifact
    store.flush()

    def log_artifact(*given):
        if away:
            raise ConnectionError("away")
        usual(*given)

    monkeypatch.setattr(store.client, "log_artifact", log_artifact)
    monkeypatch.setenv("XFER_SERVER_PATIENCE", "0.2")
    store.table(run, [{"language": "sw", "score": 1.0}], TABLE)
    for read in (lambda: record.read_table(store, run), store.settle):
        with pytest.raises(XferError, match="mlflow-xfer sync") as caught:
            read()
        assert caught.value.exit_code == 75
    away = False
    monkeypatch.setenv("XFER_SERVER_PATIENCE", "20")
    assert record.read_table(store, run) == [{"language": "sw", "score": 1.0}]


def test_points_that_a_run_has_are_not_logged_again(local_store, monkeypatch):
    """A command that goes on in a run repeats what it computes: each step of a metric stands there once."""
    store = local_store
    run = store.start("phase", "p")
    for step in range(3):
        store.metrics(run, {"loss": 1 / (step + 1), "nan": float("nan")}, step)
    store.metrics(run, {"score": 50.0})
    store.finish(run, "KILLED")
    with Store.open() as again:
        again.start("phase", "p", run_id=run)
        for step in range(5):
            again.metrics(run, {"loss": 1 / (step + 1), "nan": float("nan")}, step)
        again.metrics(run, {"score": 50.0})
        again.metrics(run, {"score": 60.0}, 1)
        again.finish(run)
        assert history(again, run, "loss") == history(again, run, "nan") == list(range(5))
        assert history(again, run, "score") == [0, 1] and again.get(run).metrics["score"] == 60.0


def test_what_a_dead_process_kept_is_no_second_point_of_a_run_that_went_on_elsewhere(monkeypatch, tmp_path):
    first = Store.open()
    run = first.start("phase", "p")
    first.flush()
    with monkeypatch.context() as away:
        away.setattr(first.client, "log_batch", _away)
        for step in range(4):
            first.metrics(run, {"loss": 1 / (step + 1)}, step)
        first.close(patience=0.1)
    with monkeypatch.context() as elsewhere:
        elsewhere.setenv("XFER_HOME", str(tmp_path / "elsewhere"))
        second = Store.open()
        second.start("phase", "p", run_id=run)
    with second:
        for step in range(2, 6):
            second.metrics(run, {"loss": 1 / (step + 1)}, step)
        second.finish(run)
    assert sum(one.delivered for one in sync.sync()) == 4
    with Store.open() as store:
        assert history(store, run, "loss") == list(range(6))


def test_a_clock_that_is_set_back_takes_no_value_back(local_store, monkeypatch):
    store, wall = local_store, time.time_ns
    run = store.start("phase", "p")
    store.metrics(run, {"score": 60.0})
    monkeypatch.setattr(time, "time_ns", lambda: wall() - 24 * 3600 * 10**9)
    store.metrics(run, {"score": 50.0})
    store.finish(run)
    seen = store.get(run)
    assert seen.metrics["score"] == 50.0 and seen.end_time >= seen.start_time
