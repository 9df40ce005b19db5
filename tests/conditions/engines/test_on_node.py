"""What a Ray task does on its node, without Ray."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from mlflow_xfer.conditions.engines import messages, on_node
from mlflow_xfer.conditions.engines.engine import Order
from mlflow_xfer.home import home, work
from mlflow_xfer.phases import endings, leftovers, record
from mlflow_xfer.phases.execute import Executor
from mlflow_xfer.tracking import lease
from mlflow_xfer.tracking.spool import Spool


@pytest.fixture
def dead() -> int:
    """The number of a process that has ended."""
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    return ended.pid


def states(store, phase, end: str) -> Path:
    """What a worker that was killed left of a phase whose run ended so."""
    executor = Executor(store)
    folder = work() / executor.key(phase)
    run_id = record.open_phase(
        store, phase, executor.code(phase), (), parent=None, run_id=None, suite="", holder=lease.worker_id()
    )
    endings.hold_run(folder, run_id)
    store.finish(run_id, end)
    return folder


def test_a_process_removes_once_what_dead_ones_left_on_its_node(store, plan, tmp_path, dead):
    base, target = plan().phases[:2]
    left = states(store, target, "KILLED")
    going_on = shutil.copytree(left, left.with_name(f"{'0' * 64}-{'0' * 64}"))
    Executor(store).ensure(base)
    code = Executor(store).code(target)
    hashes = {"xfer.spec_hash": target.spec_hash, "xfer.code_hash": code}
    mine = store.start("phase", "made elsewhere meanwhile", tags=hashes)
    endings.hold_run(going_on, store.start("phase", "killed, and nobody else has finished it"))
    own = home() / "checkpoints"  # not a cache that other tests share: they sweep it
    own.mkdir(exist_ok=True)
    partial = own / f".x.{socket.gethostname()[:60]}-{dead}-0.partial"
    partial.touch()
    unsent = Spool.create(store.uri)
    unsent.append({"op": "tags", "run": mine, "tags": {"told": "late"}, "ts": 0})
    unsent.close(remove=False)
    store.finish(mine)

    def task() -> str:
        where = {"folder": str(tmp_path), "environment": dict(os.environ)}
        return on_node.run(messages.order(base, Order(), 1), where, None)

    assert '"reused"' in task()
    assert not left.exists() and going_on.exists() and not partial.exists()
    assert store.client.get_run(mine).data.tags["told"] == "late" and not unsent.path.exists()
    partial.touch()
    assert '"reused"' in task() and partial.exists(), "swept for each process, not for each phase"


def test_states_of_a_phase_that_is_made_once_more_stay(store, plan):
    base = plan().phases[0]
    Executor(store).ensure(base)
    again = states(store, base, "KILLED")  # as of reuse=never
    leftovers.clear(store)
    assert again.exists()


def test_lines_are_handed_over_in_order_by_another_thread_than_the_main_one():
    """Ray gives the cores of a task whose main thread waits for it to the next task."""
    told: list[tuple[str, bool]] = []

    class Slow:
        def put(self, item: str) -> None:
            time.sleep(0.02)
            told.append((item, threading.current_thread() is threading.main_thread()))

    with on_node.telling(Slow()) as tell:
        for line in "abc":
            tell(line)
        assert len(told) < 3, "what trains does not wait"
    assert told == [("a", False), ("b", False), ("c", False)]
