"""What a worker process says when its command is gone, and when it lets itself be stopped."""

from __future__ import annotations

import os

import pytest

from mlflow_xfer.conditions.engines.engine import Handle, Held
from mlflow_xfer.conditions.engines.work import Stopped
from mlflow_xfer.conditions.engines.worker import Worker


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
    worker.say(Held(Handle("a", "a phase")))
    assert os.read(hears, 1000).endswith(b"}\n")
    os.close(hears)
