"""What a worker process says when its command is gone, when it lets itself be stopped, and that it waits for
a store that is away, as a task of Ray does."""

from __future__ import annotations

import json
import os
import signal
from queue import SimpleQueue

import pytest

from mlflow_xfer.conditions.engines import messages, on_node
from mlflow_xfer.conditions.engines.engine import Failed, Finished, Handle, Held, Needs, Order
from mlflow_xfer.conditions.engines.local import DEATHS
from mlflow_xfer.conditions.engines.ray import Job, OnRay
from mlflow_xfer.conditions.engines.work import Stopped, import_all, opened
from mlflow_xfer.conditions.engines.worker import Worker
from mlflow_xfer.errors import XferError
from mlflow_xfer.params.settings import RuntimeOptions
from tests.server import Server


@pytest.fixture
def ends():
    """Where the command hears what its worker says, and the worker."""
    hears, says = os.pipe()
    with open(says, "w", encoding="utf-8") as answers:
        yield hears, Worker(answers)


def test_a_worker_whose_command_is_gone_says_so_once(ends, caplog):
    hears, worker = ends
    os.close(hears)
    for _ in range(3):
        worker.say(Held(Handle("a", "a phase")))
    (said,) = caplog.records
    assert "is gone" in said.getMessage() and not said.exc_info


def test_a_worker_is_stopped_in_a_phase_alone(ends):
    hears, worker = ends
    worker.stop()
    worker.current = "a"
    with pytest.raises(Stopped):
        worker.stop()
    try:
        raise Stopped
    except Stopped:
        worker.stop()  # what ends already is not cut off
    worker.say(Held(Handle("a", "a phase")))
    assert os.read(hears, 1000).endswith(b"}\n")
    os.close(hears)


def test_a_task_that_ends_already_is_not_cut_off():
    with on_node.as_it_was():
        signal.signal(signal.SIGTERM, on_node._stop)
        with pytest.raises(Stopped):
            signal.raise_signal(signal.SIGTERM)
        try:
            raise XferError("Its state is saved.", exit_code=75)
        except XferError:
            signal.raise_signal(signal.SIGTERM)


@pytest.fixture
def server(tmp_path, blank_store, monkeypatch):
    """One that is not there yet."""
    one = Server(tmp_path, blank_store)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", one.uri)
    yield one
    if one.process:
        one.kill()


def test_a_store_that_is_away_is_waited_for(server, plan, caches, tmp_path, monkeypatch):
    with pytest.raises(XferError) as away:
        opened(unwanted=lambda: True)
    assert away.value.exit_code == 75
    import_all()
    phase = plan(**{"pretrain.max_steps": 2}).phases[0]
    server.start(wait=False)
    where = {"environment": {}, "folder": str(tmp_path)}
    line = on_node.run(messages.order(phase, Order(), 1), where, SimpleQueue())
    assert isinstance(messages.read_event(json.loads(line)), Finished)


def test_what_keeps_tasks_from_their_end_is_said(plan, monkeypatch):
    """Where a task tells it: nothing of it stands in the driver's log."""
    phase = plan().phases[0]
    handle, engine = Handle(phase.spec_hash, phase.label), OnRay(None, 1, None, RuntimeOptions())
    engine.jobs[handle] = Job(phase, Order(), Needs(), ())
    away = Failed(handle, XferError("The store is away: refused.", "Start it.", exit_code=75))
    monkeypatch.setattr(engine.cluster, "result", lambda task: (messages.event(away), ""))
    for task in range(DEATHS):
        engine.tasks[task] = handle
        event = engine._ended(task)
    assert isinstance(event, Failed) and event.error.exit_code == 75
    assert "The store is away: refused. Start it" in event.error.what and "above" not in str(event.error)
