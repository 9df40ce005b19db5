"""What tracking costs a phase: ``python benchmarks/tracking.py [--steps 1500] [--arms sqlite,server]
[--out FILE.json]``.

Trains the embedded suite's base with the same steps on the same hardware, and evaluates it on retrieval in
all languages: without tracking, into SQLite and into a local ``mlflow server``. Imports, data and publishing
are outside the clock of the training (publishing is shown apart); an evaluation counts whole, from the
opening of its run to its end. All times are processor time, so that other work on the machine does not
matter: the cost is what the thread that works spent inside logging calls plus what the writer's thread spent,
as a share of everything the process spent.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from pathlib import Path

from mlflow_xfer import params
from mlflow_xfer.phases import record
from mlflow_xfer.phases.evaluate import evaluate_phase
from mlflow_xfer.phases.plan import make_plan
from mlflow_xfer.phases.references import References
from mlflow_xfer.phases.train import train_phase
from mlflow_xfer.tracking import checkpoints
from mlflow_xfer.tracking.store import Store


def phase_of(steps: int):
    typed = params.parse("pretrain", {"max_steps": steps})
    return make_plan("pretrain", typed, References(lambda: None)).requested[0]


def timed(phase, work: Path, store: Store | None) -> dict[str, dict[str, float]]:
    """One training and one evaluation of what it trained: processor seconds in all, of the thread that works
    inside logging calls, and of the writer's thread.
    """
    run_id = store.start("phase", "benchmark") if store else ""
    spent = {"calls": 0.0, "first": 0.0, "last": 0.0}

    def log(values, step) -> None:
        spent["first"] = spent["first"] or time.process_time()
        begin = time.thread_time()
        if store:
            store.metrics(run_id, values, step)
        spent["calls"] += time.thread_time() - begin
        spent["last"] = time.process_time()

    before = writer_seconds()
    outcome = train_phase(phase, phase.inputs[0], work, log)
    writer = writer_seconds() - before
    found = {"all": spent["last"] - spent["first"], "calls": spent["calls"], "writer": writer, "publish": 0.0}
    if store:
        begin = time.process_time()
        checkpoints.publish(store, run_id, outcome.directory)
        found["publish"] = time.process_time() - begin
        store.finish(run_id)
    return {"training": found, "evaluation": evaluated(outcome.directory, work, store)}


def evaluated(checkpoint: Path, work: Path, store: Store | None) -> dict[str, float]:
    """One evaluation of a checkpoint, as :func:`timed`."""
    typed = params.parse("evaluate", {"model": str(checkpoint), "target": "retrieval"})
    phase = make_plan("evaluate", typed, References(lambda: None)).requested[0]
    begun, calls, before = time.process_time(), 0.0, writer_seconds()

    def called(call):
        nonlocal calls
        begin = time.thread_time()
        made = call()
        calls += time.thread_time() - begin
        return made

    run_id = ""
    if store:
        run_id = called(
            lambda: record.open_phase(store, phase, "", (), parent=None, run_id=None, suite="mini")
        )
    result = evaluate_phase(phase, phase.inputs[0], work / "evaluation")
    if store:
        called(lambda: record.evaluation(store, run_id, phase, result, work / "evaluation"))
        called(lambda: store.finish(run_id, patience=60.0))
    writer = writer_seconds() - before
    return {"all": time.process_time() - begun, "calls": calls, "writer": writer, "publish": 0.0}


def writer_seconds() -> float:
    """Processor seconds of the thread that delivers (Linux)."""
    ticks = os.sysconf("SC_CLK_TCK")
    total = 0.0
    for thread in threading.enumerate():
        if thread.name == "xfer-tracking" and thread.native_id:
            fields = Path(f"/proc/self/task/{thread.native_id}/stat").read_text().rsplit(")", 1)[1].split()
            total += (int(fields[11]) + int(fields[12])) / ticks
    return total


def server(folder: Path) -> tuple[subprocess.Popen, str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        sys.executable,
        "-m",
        "mlflow",
        "server",
        "--port",
        str(port),
        "-w",
        "1",
        "--backend-store-uri",
        f"sqlite:///{folder / 'server.db'}",
        "--artifacts-destination",
        str(folder / "artifacts"),
    ]
    process = subprocess.Popen(
        command,
        env={**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    for _ in range(300):
        try:
            if urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=2).status == 200:
                return process, f"http://127.0.0.1:{port}"
        except OSError:
            time.sleep(0.2)
    raise SystemExit("the server did not start")


def measured(arm: str, phase, folder: Path) -> dict[str, dict[str, float]]:
    """One arm: no store, SQLite, or a server of its own."""
    if arm == "none":
        return timed(phase, folder / arm, None)
    process, address = server(folder) if arm == "server" else (None, f"sqlite:///{folder / 'mlflow.db'}")
    os.environ["MLFLOW_TRACKING_URI"] = address
    try:
        with Store.open() as store:
            timed(phase_of(5), folder / f"warm {arm}", store)  # a process prepares its statements once
            return timed(phase, folder / arm, store)
    finally:
        if process:
            process.terminate()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--arms", default="none,sqlite,server")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    phase = phase_of(arguments.steps)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["XFER_HOME"] = str(folder / "home")
        timed(phase_of(5), folder / "warm", None)  # imports and caches
        found = {arm: measured(arm, phase, folder) for arm in arguments.arms.split(",")}
    for arm, what, row in ((arm, what, row) for arm, of in found.items() for what, row in of.items()):
        row["cost"] = (row["calls"] + row["writer"]) / row["all"]
        print(
            f"{arm:<7} {what:<10} {row['all']:.1f} s, in calls {row['calls']:.3f} s, "
            f"writer {row['writer']:.3f} s: {100 * row['cost']:.2f} %; publish {row['publish']:.2f} s"
        )
    if arguments.out:
        arguments.out.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
