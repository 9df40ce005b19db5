"""Locks, patience and heartbeats."""

from __future__ import annotations

import threading
import time

import pytest

from mlflow_xfer.durable import patience
from mlflow_xfer.durable.heartbeat import Heartbeat
from mlflow_xfer.durable.locks import held, taken
from mlflow_xfer.durable.patience import awaited, retried


@pytest.fixture
def slept(monkeypatch):
    """The pauses that were made, on a clock that only they move."""
    pauses: list[float] = []
    monkeypatch.setattr(patience.time, "sleep", pauses.append)
    monkeypatch.setattr(patience.time, "monotonic", lambda: sum(pauses))
    return pauses


def failing(times: int):
    """A call that fails so often, then answers."""
    left = iter(range(times))

    def call() -> str:
        for n in left:
            raise ConnectionError(n)
        return "answer"

    return call


def again(call, seconds: float, told: list) -> str:
    return retried(
        call,
        seconds,
        passing=lambda error: isinstance(error, ConnectionError),
        over=lambda error: TimeoutError(str(error)),
        told=lambda: told.append(True),
    )


def test_a_call_is_repeated_ever_more_rarely_and_told_of_once(slept):
    told = []
    assert again(failing(7), 600, told) == "answer"
    assert slept == [0.5, 1.0, 2.0, 4.0, 8.0, 10.0, 10.0] and told == [True]


def test_a_call_that_fails_for_too_long_or_for_good_is_not_repeated(slept):
    told = []
    with pytest.raises(TimeoutError, match="2") as caught:
        again(failing(9), 2.0, told)
    assert slept == [0.5, 1.0] and isinstance(caught.value.__cause__, ConnectionError)
    with pytest.raises(ZeroDivisionError):
        again(lambda: 1 // 0, 2.0, told)
    assert len(slept) == 2 and told == [True]


def test_what_others_do_is_awaited_and_told_of_once_a_minute(slept):
    told = []
    assert awaited(lambda: sum(slept) > 125 or None, 1.0, told=told.append) is True
    assert told == [0.0, 60.0, 120.0] and len(slept) == 126
    slept.clear()
    assert awaited(lambda: None, 1.0, longest=3.0, seconds=8.5) is None
    assert slept == [1.0, 2.0, 3.0, 2.5]


def test_a_lock_is_held_by_one_and_free_again_after(tmp_path):
    with held(tmp_path / "locks" / "a.lock"):
        assert taken(tmp_path / "locks" / "a.lock") is None
        with pytest.raises(TimeoutError, match="another process"), held(tmp_path / "locks" / "a.lock", 0.0):
            pass
    lock = taken(tmp_path / "locks" / "a.lock")
    assert lock is not None
    thread = threading.Thread(target=lock.release)  # whoever has the lock may give it back
    thread.start()
    thread.join()
    assert taken(tmp_path / "locks" / "a.lock") is not None


def test_a_heart_goes_on_beating_after_a_beat_that_failed_and_stops_when_told():
    beats, ended = [], threading.Event()

    def beat() -> None:
        beats.append(time.monotonic())
        if len(beats) == 1:
            raise ConnectionError

    heart = Heartbeat(beat, 0.01, "test", last=ended.set)
    deadline = time.monotonic() + 10
    while len(beats) < 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    heart.stop(10.0)
    seen = len(beats)
    assert seen >= 3 and ended.is_set()
    time.sleep(0.05)
    assert len(beats) == seen
