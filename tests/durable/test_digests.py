"""sha256 of bytes, computed once per state of a file."""

from __future__ import annotations

import hashlib
import os
import time

import pytest

from mlflow_xfer.durable import digests
from mlflow_xfer.errors import XferError


def settle(monkeypatch):
    """As if the files had been written a while ago."""
    later = time.time() + 60
    monkeypatch.setattr(digests.time, "time", lambda: later)


@pytest.fixture
def hashed(monkeypatch):
    """How often bytes were read."""
    times = []
    compute = digests._computed
    monkeypatch.setattr(digests, "_computed", lambda path: times.append(path) or compute(path))
    monkeypatch.setattr(digests, "_known", {})
    return times


def test_digest_is_sha256_and_remembered(tmp_path, monkeypatch, hashed):
    settle(monkeypatch)
    path = tmp_path / "a"
    path.write_bytes(b"x" * 3_000_000)
    assert digests.file_digest(path) == hashlib.sha256(path.read_bytes()).hexdigest()
    digests.file_digest(path)
    digests._known.clear()  # another process
    digests.file_digest(path)
    assert len(hashed) == 1


def test_an_edit_that_keeps_size_and_time_is_seen(tmp_path, monkeypatch, hashed):
    settle(monkeypatch)
    path = tmp_path / "a"
    path.write_bytes(b"one")
    stamp = path.stat()
    first = digests.file_digest(path)
    time.sleep(0.02)
    path.write_bytes(b"two")
    os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    assert digests.file_digest(path) != first


def test_a_fresh_file_is_not_remembered(tmp_path, hashed):
    path = tmp_path / "a"
    path.write_bytes(b"one")
    digests.file_digest(path)
    digests.file_digest(path)
    assert len(hashed) == 2


def test_a_damaged_note_costs_one_reading(tmp_path, monkeypatch, hashed):
    settle(monkeypatch)
    path = tmp_path / "a"
    path.write_bytes(b"one")
    digest = digests.file_digest(path)
    for note in (tmp_path / "home" / "identity").iterdir():
        note.write_bytes(b'{"key": [')
    digests._known.clear()
    assert digests.file_digest(path) == digest and len(hashed) == 2


def test_a_missing_file_is_a_clear_error(tmp_path):
    with pytest.raises(XferError, match="cannot be read"):
        digests.file_digest(tmp_path / "nowhere")
