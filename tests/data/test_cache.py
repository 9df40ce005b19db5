"""Rows are read once; the cached file is whole or absent, whatever happens to the processes that make it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest

from mlflow_xfer.data import reading, sources
from mlflow_xfer.tasks.catalogue import TASKS
from mlflow_xfer.tasks.task import Files

ROWS = 60_000
CHILD = """
import sys
from mlflow_xfer.data import sources
from mlflow_xfer.tasks.catalogue import TASKS
task = TASKS.get("xnli")
rows = sources.locate(task, "train", "en", sys.argv[1])
print("go", flush=True)
print(len(sources.read(task, rows)))
"""


@pytest.fixture
def large(put, folder):
    put("xnli/train-en.tsv", "".join(f"premise number {n}\thypothesis {n}\tneutral\n" for n in range(ROWS)))
    task = TASKS.get("xnli")
    return task, sources.locate(task, "train", "en", folder)


def made(tmp_path) -> list[str]:
    return sorted(p.name for p in (tmp_path / "home" / "data").iterdir())


def test_a_killed_reader_leaves_nothing_that_counts(large, folder, tmp_path):
    task, rows = large
    child = subprocess.Popen([sys.executable, "-c", CHILD, folder], stdout=subprocess.PIPE, text=True)
    assert child.stdout.readline() == "go\n"
    data = tmp_path / "home" / "data"
    deadline = time.time() + 60
    while not (data.is_dir() and any(p.stat().st_size > 10_000 for p in data.glob(".*.partial"))):
        assert time.time() < deadline
        time.sleep(0.002)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    left = made(tmp_path)
    assert left and all(name.endswith(".partial") for name in left)
    assert len(sources.read(task, rows)) == ROWS
    for path in data.glob(".*.partial"):
        os.utime(path, (0, 0))
    sources.check(task, replace(rows, language="de"))  # any later reading sweeps what is left
    assert not list(data.glob(".*.partial"))


def test_concurrent_readers_agree(large, folder, tmp_path):
    children = [
        subprocess.Popen([sys.executable, "-c", CHILD, folder], stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    assert [child.communicate()[0].split() for child in children] == [["go", str(ROWS)]] * 3
    assert len(made(tmp_path)) == 1


def test_a_second_reading_parses_nothing(put, folder, monkeypatch):
    put("xnli/test-de.tsv", "a\tb\tneutral\n")
    task = TASKS.get("xnli")
    rows = sources.locate(task, "test", "de", folder)
    assert sources.check(task, rows) == []
    monkeypatch.setattr(reading, "stream", lambda *_: pytest.fail("parsed again"))
    assert len(sources.read(task, rows)) == 1 and sources.check(task, rows) == []


def test_a_damaged_cache_file_is_made_anew(put, folder):
    put("xnli/test-de.tsv", "a\tb\tneutral\n")
    task = TASKS.get("xnli")
    rows = sources.locate(task, "test", "de", folder)
    first = sources.read(task, rows).to_list()
    reading.cached(task, rows).write_bytes(b"nonsense")
    assert sources.read(task, rows).to_list() == first


def test_the_declaration_is_part_of_the_key(put, folder):
    put("xnli/test-de.tsv", "a\tb\tneutral\n")
    task = TASKS.get("xnli")
    rows = sources.locate(task, "test", "de", folder)
    source = task.sources["folder"][0]
    swapped = replace(
        task, sources={"folder": (replace(source, columns={"text_a": 1, "text_b": 0, "label": 2}),)}
    )
    assert sources.read(task, rows)[0]["text_a"] == "a" and sources.read(swapped, rows)[0]["text_a"] == "b"
    other = {
        reading.cached(t, rows)
        for t in (
            task,
            swapped,
            replace(task, labels=task.labels[::-1]),
            replace(task, sources={"folder": (Files({}, labels={"x": "neutral"}),)}),
        )
    }
    assert len(other) == 4


def test_faulty_rows_leave_no_file(put, folder, tmp_path):
    put("xnli/test-de.tsv", "a\tb\twrong\n")
    task = TASKS.get("xnli")
    rows = sources.locate(task, "test", "de", folder)
    assert len(sources.check(task, rows)) == len(sources.check(task, rows)) == 1
    assert made(tmp_path) == []
