"""Takes pictures of runs in the MLflow UI:
``python docs/screenshots.py [--kind search] [--store sqlite:///mlflow.db] [--out docs]``.

Needs Debian's ``chromium``. Starts a server over the store, opens the newest study: its report as its link
shows it, the saved view of its conditions, the best of them, all of them side by side, and the report alone,
also as narrow as a telephone; of a search its page, and its candidates side by side.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from mlflow import MlflowClient

from mlflow_xfer.tracking.front import VIEWS

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
)
CONDITIONS = VIEWS["Conditions"].key
WIDE, NARROW = (1280, 800), (390, 844)
CLOSE = """document.querySelector('[data-component-id="mlflow.assistant.chat_panel.close"]')?.click()"""


@contextmanager
def serving(store: str) -> Iterator[str]:
    """A server over ``store`` on a free port; its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
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
            store,
            "--default-artifact-root",
            folder,
        ]
        process = subprocess.Popen(
            command,
            env={**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            address = f"http://127.0.0.1:{port}"
            until(lambda: answers(address), "the server starts")
            yield address
        finally:
            process.terminate()
            process.wait()


def answers(address: str) -> bool:
    try:
        return urllib.request.urlopen(f"{address}/health", timeout=2).status == 200
    except OSError:
        return False


def until(seen: Any, what: str, seconds: float = 120.0) -> None:
    deadline = time.monotonic() + seconds
    while not seen():
        if time.monotonic() > deadline:
            raise SystemExit(f"waited {seconds:.0f} s in vain until {what}")
        time.sleep(0.2)


class Browser:
    """A headless Chromium, driven by DevTools messages over two pipes (JSON, each ended by a zero byte)."""

    def __init__(self, profile: str):
        program = shutil.which("chromium") or shutil.which("chromium-browser")
        if not program:
            raise SystemExit("chromium is not installed: apt-get install chromium")
        there, self.out = os.pipe()
        self.answers, back = os.pipe()
        # Chromium reads descriptor 3 and writes 4.
        shell = [
            "bash",
            "-c",
            f'exec "$@" 3<&{there} 4>&{back}',
            "bash",
            program,
            *FLAGS,
            "--remote-debugging-pipe",
            f"--user-data-dir={profile}",
            "about:blank",
        ]
        self.process = subprocess.Popen(
            shell, pass_fds=(there, back), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        os.close(there)
        os.close(back)
        self.last, self.rest, self.session = 0, b"", ""
        page = next(
            target for target in self.ask("Target.getTargets")["targetInfos"] if target["type"] == "page"
        )
        self.session = self.ask("Target.attachToTarget", targetId=page["targetId"], flatten=True)["sessionId"]

    def ask(self, method: str, **params: Any) -> dict[str, Any]:
        """The result of a DevTools command; events are passed over."""
        self.last += 1
        message = {"id": self.last, "method": method, "params": params} | (
            {"sessionId": self.session} if self.session else {}
        )
        os.write(self.out, json.dumps(message).encode() + b"\0")
        while True:
            while b"\0" not in self.rest:
                block = os.read(self.answers, 1 << 20)
                if not block:
                    raise SystemExit("chromium ended")
                self.rest += block
            text, self.rest = self.rest.split(b"\0", 1)
            answer = json.loads(text)
            if answer.get("id") == self.last:
                if "error" in answer:
                    raise SystemExit(f"{method}: {answer['error']['message']}")
                return answer["result"]

    def js(self, expression: str) -> Any:
        return self.ask("Runtime.evaluate", expression=expression)["result"].get("value")

    def open(self, url: str, shows: str | None, width: int, height: int) -> None:
        """Load ``url`` in a window of that size and wait until its text has ``shows``."""
        self.ask(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )
        self.ask("Page.navigate", url="about:blank")  # a change behind the # alone would load nothing
        self.ask("Page.navigate", url=url)
        until(
            lambda: self.js(
                f"document.body !== null && document.body.innerText.includes({json.dumps(shows)})"
            ),
            f"{url} shows {shows!r}",
        )

    def shoot(self, out: Path, settle: float = 3.0) -> None:
        """The page as a PNG, once it has had twice ``settle`` seconds to draw;
        MLflow's assistant, if it opened, is closed.
        """
        time.sleep(settle)
        self.js(CLOSE)
        time.sleep(settle)
        out.write_bytes(base64.b64decode(self.ask("Page.captureScreenshot", format="png")["data"]))

    def close(self) -> None:
        self.process.terminate()
        self.process.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--store", default="sqlite:///mlflow.db")
    parser.add_argument(
        "--kind",
        choices=("study", "search"),
        default="study",
        help="search: its page, and its candidates side by side",
    )
    parser.add_argument("--out", type=Path, default=Path("docs"))
    arguments = parser.parse_args()
    client = MlflowClient(arguments.store)
    ids = [experiment.experiment_id for experiment in client.search_experiments()]
    found = client.search_runs(
        ids,
        f"tags.xfer.kind = '{arguments.kind}'",
        order_by=["attributes.start_time DESC"],
        max_results=1,
    )
    top = next(iter(found), None)
    if top is None:
        raise SystemExit(
            f"{arguments.store} holds no {arguments.kind}: make "
            f"demo{'-search' if arguments.kind == 'search' else ''}"
        )
    parts = [
        run
        for run in client.search_runs(ids, f"tags.mlflow.parentRunId = '{top.info.run_id}'")
        if run.data.tags.get("xfer.kind") != "phase"
    ]
    if arguments.kind == "search":
        parts = [run for run in parts if "xfer.scored_on" in run.data.tags]
    chosen = quote(json.dumps([run.info.run_id for run in parts]))
    with serving(arguments.store) as address, tempfile.TemporaryDirectory() as profile:
        browser = Browser(profile)
        try:
            base, view = (
                f"{address}/#/experiments/{top.info.experiment_id}/runs",
                "workflowType=machine_learning",
            )
            page = f"{base}/{top.info.run_id}"
            if arguments.kind == "study":
                best = max(parts, key=lambda run: run.data.metrics["selected/avg"]).info
                shots = {
                    "study": (f"{page}/artifacts/report.html?{view}", top.info.run_name),
                    "runs": (f"{base}?{view}&viewStateShareKey={CONDITIONS}", best.run_name),
                    "condition": (f"{base}/{best.run_id}?{view}", best.run_name),
                }
                for name, (url, shows) in shots.items():
                    browser.open(url, shows, *WIDE)
                    browser.shoot(arguments.out / f"{name}.png")
                report = Path(client.download_artifacts(top.info.run_id, "report.html", profile)).as_uri()
                for name, size in {"report": WIDE, "report_narrow": NARROW}.items():
                    browser.open(report, "Answer", *size)
                    browser.shoot(arguments.out / f"{name}.png", settle=0.2)
            else:
                browser.open(f"{page}?{view}", top.info.run_name, 1500, 1250)
                browser.shoot(arguments.out / "search.png")
            if parts:
                browser.open(
                    f"{address}/#/compare-runs?runs={chosen}"
                    f"&experiments={quote(json.dumps([top.info.experiment_id]))}",
                    parts[0].info.run_name,
                    1280,
                    1100,
                )
                browser.shoot(
                    arguments.out / ("compare.png" if arguments.kind == "study" else "search_compare.png")
                )
        finally:
            browser.close()


if __name__ == "__main__":
    main()
