"""SIGTERM through the API, and what killed commands left behind."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import threading
import time

import pytest

from mlflow_xfer.commands.running import Preempted, preemptible
from mlflow_xfer.durable.files import write_json
from mlflow_xfer.home import home, work
from mlflow_xfer.phases import endings, leftovers
from mlflow_xfer.tracking.lease import hold
from mlflow_xfer.tracking.store import Store

EVALUATING = """
import time
from mlflow_xfer.commands.running import opened, running
from mlflow_xfer.phases import endings
with running("evaluate"), opened() as store:
    run = store.start("phase", "p")
    with endings.ending(store, run):
        print(run, flush=True)
        time.sleep(60)
"""


@pytest.fixture
def store(own_store):
    with Store.open() as one:
        yield one


def test_a_program_that_is_terminated_ends_its_runs_and_says_try_again(own_store):
    process = subprocess.Popen([sys.executable, "-c", EVALUATING], stdout=subprocess.PIPE, text=True)
    run = process.stdout.readline().strip()
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 75
    with Store.open() as store:
        assert store.get(run).status == "KILLED"


def test_the_handler_of_a_program_stays_its_own(own_store):
    assert issubclass(Preempted, SystemExit) and Preempted().code == 75
    before, mine = signal.getsignal(signal.SIGTERM), lambda *_: None
    try:
        signal.signal(signal.SIGTERM, mine)
        with preemptible():
            assert signal.getsignal(signal.SIGTERM) is mine
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        with pytest.raises(Preempted), preemptible():
            signal.raise_signal(signal.SIGTERM)
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    finally:
        signal.signal(signal.SIGTERM, before)


def test_a_server_that_hangs_keeps_nobody_from_ending(store, monkeypatch):
    run, hanging = store.start("phase", "p"), threading.Event()
    with monkeypatch.context() as stuck:
        stuck.setattr(store.client, "log_batch", lambda *given, **named: hanging.wait(20))
        stuck.setattr(store.client, "set_terminated", lambda *given, **named: hanging.wait(20))
        store.metrics(run, {"loss": 1.0}, 0)
        began = time.monotonic()
        endings.end_failed(store, run, Preempted())
        assert store.close(limit=0.5) == 3 and time.monotonic() - began < 5
        hanging.set()


def test_what_killed_commands_left_is_swept_and_what_goes_on_stays(store):
    folders = {}
    for name, status in {"done": "FINISHED", "held": "FINISHED", "killed": "KILLED", "on": ""}.items():
        run = store.start("phase", name)
        folders[name] = work() / f"{name}-0"
        write_json(folders[name] / endings.HELD, {"run_id": run})
        if status:
            store.finish(run, status)
    (work() / "elsewhere-0").mkdir()
    write_json(work() / "elsewhere-0" / endings.HELD, {"run_id": "0" * 32})
    dead = subprocess.Popen(["true"])
    dead.wait()
    left = home() / "checkpoints" / f".m-1.{socket.gethostname()[:60]}-{dead.pid}-01234567.partial"
    left.mkdir(parents=True)
    (left / "model.safetensors").touch()
    with hold("held-0"):
        leftovers.clear(store)
    assert sorted(path.name for path in work().iterdir()) == ["elsewhere-0", "held-0", "killed-0", "on-0"]
    assert not left.exists()
