"""What ``mlflow-xfer doctor`` says: would this environment give the tested results,
and is anything left open?
"""

from __future__ import annotations

import os
import platform
import shlex
import shutil
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from mlflow_xfer.durable.files import inside
from mlflow_xfer.errors import XferError
from mlflow_xfer.home import home, work
from mlflow_xfer.phases import endings
from mlflow_xfer.reporting.columns import aligned
from mlflow_xfer.tracking import drivers, spool
from mlflow_xfer.tracking.names import redact
from mlflow_xfer.tracking.runs import RunView
from mlflow_xfer.tracking.store import Store
from mlflow_xfer.training.devices import described

CONSTRAINTS = Path(__file__).resolve().parents[2] / "constraints.txt"  # there in a checkout, not in a wheel
RESUMABLE, LOST = "resumable here: repeat its command", "held elsewhere, or its local state is gone"
LEFT = "its command has died: repeat it to go on here, or end it with --fix true"
GONE = "its command has died and its local state is gone: end it with --fix true"
RUNS = "its command is running"
CENTRAL = (
    "torch",
    "transformers",
    "datasets",
    "mlflow",
    "tokenizers",
    "safetensors",
    "numpy",
    "pandas",
    "pydantic",
)


def report(fix: bool = False) -> str:
    """The whole report; nothing is changed, but that ``fix`` ends runs that dead commands left open."""
    parts = {
        "environment": environment(),
        "computing": described(),
        "store": store(fix),
        "local state": local_state(),
        "tools": tools(),
    }
    return "\n\n".join(f"{title}\n{text}" for title, text in parts.items())


def environment() -> str:
    """Installed versions beside those the tests ran with; ``--env-manager local`` uses what is installed."""
    tested = (
        dict(line.strip().split("==") for line in CONSTRAINTS.read_text().splitlines() if "==" in line)
        if CONSTRAINTS.is_file()
        else {}
    )
    rows = [["python", platform.python_version(), "3.11", ""]]
    for name in CENTRAL:
        try:
            installed = version(name)
        except PackageNotFoundError:
            installed = "missing"
        same = installed.split("+")[0] == tested.get(name, installed.split("+")[0])
        rows.append([name, installed, tested.get(name, "?"), "" if same else "differs"])
    rows += [["ray", *_ray(tested.get("ray", "?"))]]
    return aligned(["package", "installed", "tested", ""], rows)


def _ray(tested: str) -> tuple[str, str, str]:
    """Of what ``engine=ray`` needs, and no other does."""
    try:
        return version("ray"), tested, "for engine=ray"
    except PackageNotFoundError:
        return "missing", tested, "for engine=ray: pip install 'mlflow-xfer[ray]'"


def store(fix: bool = False) -> str:
    """The tracking store, and runs of ours that are RUNNING (of a live process, or left by a dead one).

    With ``fix`` those of dead commands are ended.
    """
    try:
        opened = Store.open(probe=False, make=False)
    except XferError as error:
        return str(error)
    try:
        open_runs = [
            run
            for kind in ("phase", *drivers.DRIVEN)
            for run in opened.search({"xfer.kind": kind}, status="RUNNING")
        ]
        left = {run.run_id for run in open_runs if _is_left(opened, run, fix)}
        held = {path.parent.name for path in work().glob("*/run.json")}
        lines = [f"{redact(opened.uri)}: reachable"]
        lines += [
            f"RUNNING {run.run_id} {run.name}: {_state(run, run.run_id in left, fix)}" for run in open_runs
        ]
        lines.append(f"{len(open_runs)} runs open, {len(held)} phases with local state")
        return "\n".join(lines)
    finally:
        opened.close()


def _is_left(store: Store, run: RunView, end: bool) -> bool:
    """Whether a command that has died left the run behind, and with ``end`` end it."""
    if run.kind == "phase":
        return endings.is_left(store, run, end)
    left = drivers.is_dead(run.tags.get(drivers.DRIVER, "")) and store.get(run.run_id).status == "RUNNING"
    if left and end:
        drivers.end(store, run.run_id)
    return left


def _state(run: RunView, left: bool, fix: bool) -> str:
    if left and fix:
        return "ended"
    if left:
        return LEFT if run.kind != "phase" or _resumable(run.run_id) else GONE
    if run.kind == "phase":
        here = drivers.is_here(run.tags.get(endings.HOLDER_TAG, ""))
        return RUNS if here else RESUMABLE if _resumable(run.run_id) else LOST
    driver = run.tags.get(drivers.DRIVER, "")
    return RUNS if drivers.is_here(driver) else f"its command runs, or ran, elsewhere ({driver or 'unknown'})"


def _resumable(run_id: str) -> bool:
    return any(endings.run_held(folder) == run_id for folder in work().glob("*"))


def local_state() -> str:
    """Where caches lie and how large they are; records that wait for a tracking server."""
    sizes = [
        [folder.name, f"{sum(found.st_size for _, found in inside(folder)) / 1e6:.1f} MB"]
        for folder in sorted(home().glob("*"))
        if folder.is_dir()
    ]
    waiting = sum(1 for path, _ in inside(spool.root()) if path.suffix == ".jsonl")
    return (
        f"{home()}\n{aligned(['folder', 'size'], sizes)}\n{waiting} spools (deliver with: mlflow-xfer sync)"
    )


def tools() -> str:
    """Programs that ``mlflow run`` needs for each value of ``--env-manager``."""
    needs = {"local": "python", "uv": "uv", "virtualenv": "pyenv", "conda": "conda"}
    rows = [
        [f"--env-manager {manager}", program, shutil.which(program) or "not on the PATH"]
        for manager, program in needs.items()
    ]
    uri = redact(os.environ.get("MLFLOW_TRACKING_URI", ""))
    shown = shlex.quote(uri) if uri else "(not set: sqlite:///mlflow.db in the current folder)"
    return aligned(["mode", "needs", "found"], rows) + f"\nMLFLOW_TRACKING_URI={shown}"
