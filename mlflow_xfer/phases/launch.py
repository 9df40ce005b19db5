"""Starts the processes that train one phase together, hears from them, and ends them all if one of them dies.

The process that runs the phase takes no part in the computing: it talks to MLflow, passes signals on, and
sees what becomes of each rank. A rank that dies leaves others waiting for it: all are ended then, and the
phase goes on from its last state when it is asked for again.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import IO, Any

from mlflow_xfer.errors import INTERRUPTED, TRY_AGAIN, XferError
from mlflow_xfer.params.settings import RuntimeOptions
from mlflow_xfer.phases.machines import visible_gpus
from mlflow_xfer.training.parts import Displaced, Interrupted, NotFinite
from mlflow_xfer.training.stopping import Signals

logger = logging.getLogger(__name__)

PROGRAM = "mlflow_xfer.phases.rank"
LOOK_SECONDS = 0.2  # between looks at signals
ERRORS = {one.__name__: one for one in (Displaced, NotFinite, XferError)}

Log = Callable[[Mapping[str, float], int], None]


def launch(order: Mapping[str, Any], runtime: RuntimeOptions, log: Log) -> None:
    """Have ``runtime.processes`` ranks train as ``order`` says, until all of them are done.

    Args:
        order: what each rank is told (see :mod:`mlflow_xfer.phases.rank`).
        log: called with what rank 0 reports; an exception from it whose ``exit_code`` is 75 stops the
            training once its state is saved.

    Raises:
        Interrupted: after SIGTERM or SIGINT, once the state is saved.
        XferError: what a rank says is wrong; of one that died or was lost with exit code 75.
    """
    check_gpus(runtime)
    with tempfile.TemporaryDirectory(prefix="xfer-ranks-") as folder:
        told = {**order, "meeting": str(Path(folder) / "meeting")}
        with _started(told, runtime) as processes, Signals() as signals:
            Launched(processes, log, signals).listen()
        signals.pass_on()


def check_gpus(runtime: RuntimeOptions) -> None:
    """Raise :class:`XferError` where there are fewer GPUs than processes."""
    found = len(visible_gpus())
    if runtime.device == "cpu" or runtime.processes == 1 or runtime.processes <= found:
        return
    if found or runtime.device == "cuda":
        raise XferError(
            f"processes={runtime.processes}, and each takes a GPU; GPUs here: {found}.",
            f"Use processes={max(found, 1)}, or device=cpu.",
        )


@contextmanager
def _started(order: Mapping[str, Any], runtime: RuntimeOptions) -> Iterator[list[subprocess.Popen[str]]]:
    """The processes of the ranks; afterwards none of them runs."""
    processes: list[subprocess.Popen[str]] = []
    root = str(Path(__file__).resolve().parents[2])
    gpus = visible_gpus() if runtime.device != "cpu" else ()
    threads = int(os.environ.get("OMP_NUM_THREADS") or os.cpu_count() or 1)
    own = {
        "OMP_NUM_THREADS": str(max(1, threads // runtime.processes)),
        "PYTHONPATH": os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH")))),
        "TORCH_CPP_LOG_LEVEL": "ERROR",
    }
    try:
        for rank in range(runtime.processes):
            one = {"CUDA_VISIBLE_DEVICES": gpus[rank]} if gpus else {}
            process = subprocess.Popen(
                [sys.executable, "-m", PROGRAM],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env=os.environ | own | one,
                encoding="utf-8",
                start_new_session=True,  # Ctrl-C is for the process that passes it on
            )
            processes.append(process)
            assert process.stdin is not None, "a pipe"
            with suppress(BrokenPipeError):  # its end is noticed
                process.stdin.write(json.dumps({**order, "rank": rank}) + "\n")
                process.stdin.flush()
        yield processes
    finally:
        for process in processes:
            process.kill()
            process.wait()


class Launched:
    """What the ranks of a training say, and what becomes of them."""

    def __init__(self, processes: list[subprocess.Popen[str]], log: Log, signals: Signals):
        self.processes, self.log, self.signals = processes, log, signals
        self.heard: SimpleQueue[tuple[int, str]] = SimpleQueue()
        self.left = set(range(len(processes)))
        self.asked: Exception | None = None  # what ``log`` raised to stop the training
        self.interrupted: int | None = None  # after which step the ranks stopped
        self.passed_on = False

    def listen(self) -> None:
        """Until all ranks have ended; raises what :func:`launch` raises."""
        for rank, process in enumerate(self.processes):
            assert process.stdout is not None, "a pipe"
            threading.Thread(target=self._listen, args=(rank, process.stdout), daemon=True).start()
        while self.left:
            with suppress(Empty):
                rank, line = self.heard.get(timeout=LOOK_SECONDS)
                self._said(json.loads(line)) if line else self._ended(rank)
            if (self.signals.caught or self.asked) and not self.passed_on:
                self.passed_on = True
                self.processes[0].send_signal(signal.SIGTERM)
        if self.interrupted is not None:
            code = INTERRUPTED if self.signals.caught == signal.SIGINT else TRY_AGAIN
            raise self.asked or Interrupted(self.interrupted, code)

    def _listen(self, rank: int, answers: IO[str]) -> None:
        """Hand on what a rank says; an empty line is its end."""
        for line in answers:
            self.heard.put((rank, line))
        self.heard.put((rank, ""))

    def _said(self, said: dict[str, Any]) -> None:
        if "error" in said:
            raise ERRORS[said["error"]](**said["about"])
        if "interrupted" in said:
            self.interrupted = said["interrupted"]
            return
        try:
            self.log(said["metrics"], said["step"])
        except Exception as error:
            if getattr(error, "exit_code", None) != TRY_AGAIN:
                raise
            self.asked = error

    def _ended(self, rank: int) -> None:
        self.left.discard(rank)
        code = self.processes[rank].wait()
        if code == 0 or (code == TRY_AGAIN and self.interrupted is not None):
            return
        ended = {number: process.poll() for number, process in enumerate(self.processes)}
        # What only waited for another in vain ends with 75: the other one is to be named, if it has ended.
        rank = next((number for number, one in ended.items() if one not in (None, 0, TRY_AGAIN)), rank)
        code = ended[rank] or code
        how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        raise XferError(
            f"Process {rank} of {len(self.processes)} that train together ended ({how}), and so the others.",
            "Run the same command again to go on from the last state.",
            TRY_AGAIN if code < 0 or code == TRY_AGAIN else code,
        )
