"""A disk that is full in the middle: one error, a run that ended, and the same command goes on when there is
room."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import threading
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from mlflow import MlflowClient

import mlflow_xfer
from mlflow_xfer.durable.patience import awaited
from mlflow_xfer.errors import XferError
from mlflow_xfer.home import work
from tests.conftest import TEXTS

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

PRETRAIN = {
    "model": "scratch:xlm-roberta:tiny",
    "text": TEXTS,
    "train_batch_size": 4,
    "max_steps": 60,
    "save_every_steps": 6,
}


def as_root(*command: str) -> bool:
    """Whether the command could be run as root."""
    given = [*(() if os.geteuid() == 0 else ("sudo", "-n")), *command]
    try:
        return subprocess.run(given, capture_output=True, timeout=60).returncode == 0
    except OSError:
        return False


@contextmanager
def small(folder: Path, left: int):
    """A disk of 5 MB at ``folder``, which others fill up to ``left`` kB once a training has saved its state.
    What is given makes room on it; None where nothing may be mounted.
    """
    folder.mkdir()
    options = f"size=5m,mode=700,uid={os.getuid()}"
    if not as_root("mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)):
        yield None
        return
    filler = folder / "of others"

    def fill() -> None:
        awaited(lambda: any(work().glob("*/resume/step-*/manifest.json")) or None, 0.01, seconds=600)
        with suppress(OSError):  # full before: a state was written meanwhile
            filler.write_bytes(bytes(shutil.disk_usage(folder).free - 1000 * left))

    other = threading.Thread(target=fill, daemon=True)
    other.start()
    try:
        yield lambda: (other.join(), filler.unlink())
    finally:
        as_root("umount", "-l", str(folder))


@contextmanager
def small_files(kilobytes: int):
    """No file may grow beyond so many kB; what is given lifts that."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (kilobytes * 1000, before[1]))
    try:
        yield lambda: resource.setrlimit(resource.RLIMIT_FSIZE, before)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def runs() -> list:
    client = MlflowClient()
    found = client.search_runs([one.experiment_id for one in client.search_experiments()])
    return [run for run in found if run.data.tags["xfer.kind"] == "phase"]


def fails_then_goes_on(make_room, **more: str) -> None:
    """One error and a run that failed; with room the same command ends in that run, each step logged once."""
    with pytest.raises(XferError, match="The disk is full") as caught:
        mlflow_xfer.pretrain(**PRETRAIN | more)
    assert caught.value.exit_code == 1 and "Make room" in str(caught.value)
    (failed,) = runs()
    assert failed.info.status == "FAILED" and "disk is full" in failed.data.tags["xfer.error"]
    make_room()
    mlflow_xfer.pretrain(**PRETRAIN | more)
    (done,) = runs()
    assert done.info.run_id == failed.info.run_id and done.info.status == "FINISHED"
    steps = [one.step for one in MlflowClient().get_metric_history(done.info.run_id, "train/loss")]
    assert len(steps) == len(set(steps)) and max(steps) == PRETRAIN["max_steps"]


def test_of_states(own_store, tmp_path, monkeypatch):
    """By a small disk, or where none may be mounted, by a limit of what a file may hold."""
    monkeypatch.setenv("XFER_WORK", str(tmp_path / "states"))
    with small(tmp_path / "states", 0) as make_room:
        if make_room:
            fails_then_goes_on(make_room)
            assert not list((tmp_path / "states").glob("*-*"))
            return
    with small_files(20000) as lift:  # its moments take more, the store's database does not
        fails_then_goes_on(lift, model="scratch:xlm-roberta:small")


def test_of_artifacts(own_store, tmp_path, monkeypatch):
    with small(tmp_path / "artifacts", 200) as make_room:
        if make_room is None:
            assert not os.environ.get("CI"), "mounting needs root, or sudo without a password"
            pytest.skip("a small disk can be mounted by root only")
        place = (tmp_path / "artifacts").as_uri()
        MlflowClient().create_experiment("small", artifact_location=place)
        monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "small")
        fails_then_goes_on(make_room)
