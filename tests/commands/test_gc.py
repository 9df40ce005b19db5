"""Caches within a budget: what goes, what stays, and that nothing of a running command is touched."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from mlflow_xfer import api
from mlflow_xfer.commands import doctor
from mlflow_xfer.commands.gc import RECENT
from mlflow_xfer.errors import TRY_AGAIN, XferError
from mlflow_xfer.home import home

MB = 1_000_000
HOLD = """import sys
from filelock import FileLock
with FileLock(sys.argv[1]):
    print(flush=True)
    sys.stdin.read()
"""


def put(name: str, hours: float, size: int = MB) -> Path:
    """A file of the home, last used so many hours ago."""
    file = home() / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(bytes(size))
    os.utime(file, (time.time() - 3600 * hours,) * 2)
    return file


@pytest.fixture
def filled(tmp_path) -> dict[str, Path]:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "model.safetensors").write_bytes(bytes(MB))
    files = {
        "oldest": put("encoded/ab/abc/rows.arrow", 400),
        "older": put("checkpoints/m-1/model.safetensors", 300),
        "old": put("data/pos-train-en.arrow", 200),
        "used": put("checkpoints/m-2/model.safetensors", 0.1 * RECENT / 3600),
        "state": put("work/hash-code/state.pt", 900),
        "spool": put("spool/store/host-1/records.jsonl", 900),
        "search": put("studies/search.db", 900),
    }
    (home() / "checkpoints" / "linked").symlink_to(outside)
    return files | {"outside": outside / "model.safetensors"}


def test_a_dry_run_says_what_goes_and_drops_nothing(filled):
    said = api.gc(budget=0.0025)
    assert "2 entries, 2 MB, would go" in said and "checkpoints  2 MB  1 MB   1 MB" in said
    assert all(file.exists() for file in filled.values())


def test_what_was_not_used_for_longest_goes_until_the_budget_is_kept(filled):
    assert "2 entries, 2 MB, dropped" in api.gc(budget=0.0025, dry_run=False)
    assert [name for name, file in filled.items() if not file.exists()] == ["oldest", "older"]
    assert "0 entries" in api.gc(budget=0.0025, dry_run=False), "the budget is kept"


def test_of_nothing_but_caches_that_were_named(filled):
    api.gc(budget=0, caches="data", dry_run=False)
    assert [name for name, file in filled.items() if not file.exists()] == ["old"]


def test_states_records_searches_and_what_links_lead_to_stay(filled):
    os.utime(home() / "checkpoints" / "linked", (0, 0), follow_symlinks=False)
    api.gc(budget=0, dry_run=False)
    gone = {name for name, file in filled.items() if not file.exists()}
    assert gone == {"oldest", "older", "old"} and not (home() / "checkpoints" / "linked").is_symlink()


def test_nothing_is_dropped_while_a_command_runs(filled):
    (home() / "locks").mkdir()
    lock = home() / "locks" / "phase.lock"
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(lock)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as running:
        assert running.stdout and running.stdout.readline()
        with pytest.raises(XferError, match="1 locks of running commands") as refused:
            api.gc(budget=0, dry_run=False)
        assert "would go" in api.gc(budget=0)
        running.communicate()
    assert refused.value.exit_code == TRY_AGAIN and filled["oldest"].exists()
    assert "3 entries" in api.gc(budget=0, dry_run=False)


def test_what_goes_while_it_is_measured_is_left_out(filled):
    ended, folders = (
        threading.Event(),
        [home() / "checkpoints" / "m-new", home() / "spool" / "store" / "host-2"],
    )

    def fill() -> None:
        while not ended.is_set():
            for folder in folders:
                (folder / "deep").mkdir(parents=True)
                for n in range(20):
                    (folder / "deep" / f"{n}.jsonl").touch()
                shutil.rmtree(folder)

    filling = threading.Thread(target=fill)
    filling.start()
    try:
        for _ in range(150):
            assert "would go" in api.gc(budget=0) and "spools" in doctor.local_state()
    finally:
        ended.set()
        filling.join()
