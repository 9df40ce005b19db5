"""What ``mlflow-xfer doctor`` says: would this environment give the tested results,
and is anything left open?
"""

from __future__ import annotations

import json
import os
import platform
import shutil
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from mlflow_xfer.errors import XferError
from mlflow_xfer.home import home
from mlflow_xfer.listing import table
from mlflow_xfer.tracking import spool
from mlflow_xfer.tracking.names import redact
from mlflow_xfer.tracking.store import Store

CONSTRAINTS = Path(__file__).resolve().parents[1] / "constraints.txt"  # there in a checkout, not in a wheel
RESUMABLE, LOST = "resumable here: repeat its command", "held elsewhere, or its local state is gone"
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


def report() -> str:
    """The whole report; nothing is changed."""
    parts = {"environment": environment(), "store": store(), "local state": local_state(), "tools": tools()}
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
    return table(["package", "installed", "tested", ""], rows)


def store() -> str:
    """The tracking store, and runs of ours that are RUNNING (of a live process, or left by a dead one)."""
    try:
        opened = Store.open(probe=False)
    except XferError as error:
        return f"unreachable: {error}"
    try:
        open_runs = [
            run
            for kind in ("phase", "transfer", "condition")
            for run in opened.search({"xfer.kind": kind}, status="RUNNING")
        ]
        held = {path.parent.name for path in (home() / "work").glob("*/run.json")}
        lines = [f"{redact(opened.uri)}: reachable"]
        lines += [
            f"RUNNING {run.run_id} {run.name}: {RESUMABLE if _resumable(run.run_id) else LOST}"
            for run in open_runs
        ]
        lines.append(f"{len(open_runs)} runs open, {len(held)} phases with local state")
        return "\n".join(lines)
    finally:
        opened.close()


def _resumable(run_id: str) -> bool:
    return any(
        json.loads(path.read_text()).get("run_id") == run_id for path in (home() / "work").glob("*/run.json")
    )


def local_state() -> str:
    """Where caches lie and how large they are; records that wait for a tracking server."""
    sizes = [
        [folder.name, f"{sum(p.stat().st_size for p in folder.rglob('*') if p.is_file()) / 1e6:.1f} MB"]
        for folder in sorted(home().glob("*"))
        if folder.is_dir()
    ]
    waiting = sum(1 for _ in spool.root().rglob("*.jsonl")) if spool.root().is_dir() else 0
    return f"{home()}\n{table(['folder', 'size'], sizes)}\n{waiting} spools (deliver with: mlflow-xfer sync)"


def tools() -> str:
    """Programs that ``mlflow run`` needs for each value of ``--env-manager``."""
    needs = {"local": "python", "uv": "uv", "virtualenv": "pyenv", "conda": "conda"}
    rows = [
        [f"--env-manager {manager}", program, shutil.which(program) or "not on the PATH"]
        for manager, program in needs.items()
    ]
    uri = (
        redact(os.environ.get("MLFLOW_TRACKING_URI", ""))
        or "(not set: sqlite:///mlflow.db in the current folder)"
    )
    return table(["mode", "needs", "found"], rows) + f"\nMLFLOW_TRACKING_URI={uri}"
