"""A real tracking server of the tests' own, which can be killed and started again."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path


class Server:
    """``mlflow server`` on a free port of this machine; what it keeps outlives it.

    Args:
        folder: where its log and artifacts lie.
        blank: an empty SQLite store; it gets a copy.
        backend: the address of another database, in its place.
        options: further options of ``mlflow server``; ``environment``: its further environment.
    """

    def __init__(
        self,
        folder: Path,
        blank: Path | None = None,
        *,
        backend: str = "",
        options: tuple[str, ...] = (),
        **environment: str,
    ):
        self.folder, self.artifacts = folder, folder / "artifacts"
        self.backend = backend or f"sqlite:///{folder / 'mlflow.db'}"
        self.options, self.environment = options, environment
        if blank is not None:
            shutil.copyfile(blank, folder / "mlflow.db")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.uri = f"http://127.0.0.1:{self.port}"
        self.process: subprocess.Popen | None = None

    def start(self, wait: bool = True) -> None:
        command = ["server", "-w", "1", "--host", "127.0.0.1", "--port", str(self.port), *self.options]
        command += ["--backend-store-uri", self.backend, "--artifacts-destination", str(self.artifacts)]
        environment = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", **self.environment}
        environment.pop("MLFLOW_TRACKING_URI", None)
        with open(self.folder / "log.txt", "ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "mlflow", *command],
                cwd=self.folder,
                env=environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        while wait and not self.answers():
            assert self.process.poll() is None, (self.folder / "log.txt").read_text()
            time.sleep(0.1)

    def answers(self) -> bool:
        try:
            return urllib.request.urlopen(self.uri + "/health", timeout=2).status == 200
        except OSError:
            return False

    def kill(self) -> None:
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
