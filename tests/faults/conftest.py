"""Commands as processes that can be killed, and a tracking server that can be stopped."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT


class Command:
    """``mlflow-xfer …`` as a process, in a folder, home and store of its own choice."""

    def __init__(self, folder: Path, *arguments: str, **environment: str):
        self.log = folder / f"log-{time.time_ns()}.txt"
        env = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **environment}
        with self.log.open("wb") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "mlflow_xfer.cli", *arguments],
                cwd=folder,
                env=env,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )

    def wait(self, seconds: float = 240) -> int:
        return self.process.wait(seconds)

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def kill_group(self) -> None:
        """The command and every process that it started, at once."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    @property
    def text(self) -> str:
        return self.log.read_text("utf-8", "replace")

    def until(self, seen, seconds: float = 240, every: float = 0.01) -> Any:
        """What ``seen()``, asked so often, says once it is true; fails if the process ends before."""
        deadline = time.monotonic() + seconds
        while not (found := seen()):
            assert self.process.poll() is None, f"ended before it was seen:\n{self.text}"
            assert time.monotonic() < deadline, f"never seen:\n{self.text}"
            time.sleep(every)
        return found


@pytest.fixture
def command(tmp_path):
    started = []

    def start(*arguments: str, **environment: str) -> Command:
        started.append(Command(tmp_path, *arguments, **environment))
        return started[-1]

    yield start
    for one in started:
        if one.process.poll() is None:
            one.kill_group()
