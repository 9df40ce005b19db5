"""Takes pictures of runs in the MLflow UI: ``python docs/screenshots.py [--store sqlite:///mlflow.db] [--out docs]``.

Needs Debian's ``chromium``. Starts a server over the store, opens the newest study (or condition, or
transfer): its page, the runs table, and its conditions side by side.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from urllib.parse import quote

from mlflow import MlflowClient

FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars")  # fmt: skip


def serve(store: str, folder: str) -> tuple[subprocess.Popen, str]:
    """A server over ``store`` on a free port, and its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "server", "--port", str(port), "-w", "1", "--backend-store-uri", store, "--default-artifact-root", folder]
    process = subprocess.Popen(command, env={**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}"
    for _ in range(300):
        try:
            if urllib.request.urlopen(f"{address}/health", timeout=2).status == 200:
                return process, address
        except OSError:
            time.sleep(0.2)
    raise SystemExit("the server did not start")


def shoot(url: str, out: Path, size: str = "1500,1250", wait_ms: int = 25_000) -> None:
    """The page at ``url`` as a PNG, once its scripts have had ``wait_ms`` of virtual time."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser")
    if not browser:
        raise SystemExit("chromium is not installed: apt-get install chromium")
    with tempfile.TemporaryDirectory() as profile:
        command = [browser, *FLAGS, f"--user-data-dir={profile}", f"--window-size={size}", f"--virtual-time-budget={wait_ms}", f"--screenshot={out}", url]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=180)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--store", default="sqlite:///mlflow.db")
    parser.add_argument("--out", type=Path, default=Path("docs"))
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        process, address = serve(arguments.store, folder)
        try:
            client = MlflowClient(arguments.store)
            ids = [experiment.experiment_id for experiment in client.search_experiments()]
            top = next(runs[0] for kind in ("study", "condition", "transfer") if (runs := client.search_runs(ids, f"tags.xfer.kind = '{kind}'", order_by=["attributes.start_time DESC"], max_results=1)))
            base = f"{address}/#/experiments/{top.info.experiment_id}"
            parts = [run for run in client.search_runs(ids, f"tags.mlflow.parentRunId = '{top.info.run_id}'") if run.data.tags.get("xfer.kind") != "phase"]
            chosen = quote(json.dumps([run.info.run_id for run in parts]))
            shoot(f"{base}/runs/{top.info.run_id}?workflowType=machine_learning", arguments.out / "study.png")
            shoot(f"{base}/runs?workflowType=machine_learning", arguments.out / "runs.png", "1700,900")
            shoot(f"{address}/#/compare-runs?runs={chosen}&experiments={quote(json.dumps([top.info.experiment_id]))}", arguments.out / "compare.png", "1700,1300")
        finally:
            process.terminate()
            process.wait()


if __name__ == "__main__":
    main()
