"""Tiny real models of both architectures, with random weights and an LM head."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock
from tiny_world import make_model


@pytest.fixture(scope="session", params=["xlm-roberta", "llama"])
def any_model(request, tmp_path_factory):
    """A tiny encoder, then a tiny decoder, with random weights and an LM head."""
    return make_model(tmp_path_factory.mktemp(request.param), request.param)


@pytest.fixture(scope="session")
def encoder(tmp_path_factory):
    return make_model(tmp_path_factory.mktemp("encoder"), "xlm-roberta")


@pytest.fixture(scope="session")
def ran_once(session_folder) -> Callable[..., tuple[Path, dict, str]]:
    """Runs a script of trainings, or those of them that are named, once for all workers: its folder, its
    ``report.json``, what it said.
    """

    def run(script: Path, *names: str) -> tuple[Path, dict, str]:
        folder = session_folder / "-".join((script.stem, *names[:1]))
        with FileLock(f"{folder}.lock"):
            if not (folder / "stderr.txt").is_file():
                folder.mkdir()
                root = Path(__file__).parents[2]
                environment = os.environ | {
                    "PYTHONPATH": os.pathsep.join([str(root), os.environ.get("PYTHONPATH", "")])
                }
                done = subprocess.run(
                    [sys.executable, str(script), str(folder), *names],
                    env=environment,
                    capture_output=True,
                    text=True,
                )
                assert done.returncode == 0, done.stderr[-3000:]
                (folder / "stderr.txt").write_text(done.stderr)
        return folder, json.loads((folder / "report.json").read_text()), (folder / "stderr.txt").read_text()

    return run
