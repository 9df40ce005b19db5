"""Workers as processes: they share a search, die,
are replaced, join from elsewhere, and end with their parent.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from optuna.trial import TrialState

from mlflow_xfer.errors import XferError
from mlflow_xfer.searching.candidate import Candidate
from mlflow_xfer.searching.history import DUPLICATE_OF, KEY, RETRIED_FROM, History
from mlflow_xfer.searching.leases import RETRIES
from mlflow_xfer.searching.opening import join_study, open_study
from mlflow_xfer.searching.place import Place, place
from mlflow_xfer.searching.workers import run_workers
from tests.conftest import ROOT
from tests.searching.fast_runs import BUILD, SPACE

ALONE = """
import signal, sys
from mlflow_xfer.searching.place import place
from mlflow_xfer.searching.workers import run_workers
# A shell's background jobs, and what they start, ignore it.
signal.signal(signal.SIGINT, signal.default_int_handler)
storage, workers = sys.argv[1:]
run_workers(place(storage, "search"), "search", "tests.searching.fast_runs:build", int(workers))
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Where run functions write what they do; child processes import the tests."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))
    monkeypatch.setenv("XFER_HEARTBEAT_SECONDS", "1")
    (tmp_path / "runs").mkdir()
    return tmp_path / "runs"


def begin(storage: str, folder: Path, n_trials: int, queue: Sequence[Candidate] = (), **attrs) -> Place:
    where = place(storage, "search")
    study = open_study(
        where,
        "search",
        SPACE.spec(),
        "http://tracking:5000",
        attrs={
            "test.folder": str(folder),
            "test.n_trials": n_trials,
            **{f"test.{k}": v for k, v in attrs.items()},
        },
    )
    for candidate in queue:
        study.enqueue_trial(SPACE.params(candidate))
    return where


def alone(storage: str, workers: int) -> subprocess.Popen:
    """A command of its own with so many workers; it has a process group of its own."""
    return subprocess.Popen(
        [sys.executable, "-c", ALONE, storage, str(workers)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def until(seen, seconds: float = 120.0) -> None:
    deadline = time.monotonic() + seconds
    while not seen():
        assert time.monotonic() < deadline, "never seen"
        time.sleep(0.005)


def interrupted(process: subprocess.Popen) -> None:
    """Ctrl-C, and again where it met code from which Python lets no exception out (a finaliser,
    a callback of a weak reference).
    """
    for _ in range(5):
        time.sleep(0.6)
        if process.poll() is not None:
            return
        process.send_signal(signal.SIGINT)


def worker_ids(folder: Path) -> set[int]:
    return {int(path.name.split("-")[-1]) for path in folder.glob("worker-*")}


def alive(pid: int) -> bool:
    """Whether the process runs; one that has ended and is not waited for yet does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def finished_keys(where: Place) -> dict[str, float]:
    """What the search found: the value of each candidate."""
    return {
        t.user_attrs[KEY]: t.value
        for t in History.of(join_study(where, "search")).finished
        if t.state == TrialState.COMPLETE
    }


def check_whole(where: Place, folder: Path, n: int) -> None:
    """Nothing lost, nothing doubled: every candidate has one value,
    was run to its end once, and nothing hangs.
    """
    study = join_study(where, "search")
    history = History.of(study)
    keys = [t.user_attrs[KEY] for t in history.counted]
    assert len(keys) == len(set(keys)) == n
    assert all(t.state == TrialState.COMPLETE for t in history.counted) and all(
        t.state.is_finished() for t in study.trials
    )
    retries = [t.user_attrs[RETRIED_FROM] for t in study.trials if RETRIED_FROM in t.user_attrs]
    assert len(retries) == len(set(retries)) and all(
        study.trials[number].state == TrialState.FAIL for number in retries
    )
    done = [path.read_text() for path in folder.glob("done-*")]
    assert set(done) == set(keys)
    told = {
        t.number for t in study.trials if t.state == TrialState.COMPLETE and DUPLICATE_OF not in t.user_attrs
    }
    assert told <= {int(path.name.split("-")[1]) for path in folder.glob("done-*")}


def shot_three_times(storage: str, folder: Path, tmp_path: Path) -> None:
    """Four workers, one of them killed at random three times,
    end with what a single worker finds with the same queue.
    """
    chance, shot = random.Random(7), []
    queue = chance.sample(list(SPACE.candidates()), 26)
    where = begin(storage, folder, 26, queue, pause=0.2)
    command = alone(storage, 4)
    for kill in range(3):
        until(
            lambda kill=kill: (
                len(list(folder.glob("done-*"))) >= 4 + 5 * kill
                and any(alive(pid) for pid in worker_ids(folder) - set(shot))
            )
        )
        victim = chance.choice(sorted(pid for pid in worker_ids(folder) if alive(pid)))
        time.sleep(chance.random() * 0.2)
        os.kill(victim, signal.SIGKILL)
        shot.append(victim)
    said, _ = command.communicate(timeout=200)
    assert command.returncode == 0, said
    assert said.count("was killed (SIGKILL)") == 3 and len(worker_ids(folder)) == 7
    check_whole(where, folder, 26)

    single = tmp_path / "single"
    single.mkdir()
    undisturbed = begin(str(tmp_path / "single.log"), single, 26, queue, pause=0.0)
    run_workers(undisturbed, "search", BUILD, 1)
    assert finished_keys(where) == finished_keys(undisturbed)
    assert finished_keys(where).keys() == {candidate.key for candidate in queue}


def test_four_workers_one_shot_three_times_lose_and_double_nothing(folder, tmp_path):
    shot_three_times("auto", folder, tmp_path)


@pytest.mark.slow
def test_four_workers_on_postgresql_one_shot_three_times_lose_and_double_nothing(
    folder, tmp_path, postgresql
):
    shot_three_times(postgresql.database(), folder, tmp_path)


def test_workers_end_with_their_parent_and_the_next_command_goes_on(folder):
    """Killed without a word, the parent cannot tell them: they notice, queue their trials again and go."""
    where = begin("auto", folder, 12, pause=0.4)
    command = alone("auto", 2)
    until(lambda: len(list(folder.glob("begun-*"))) >= 4)
    command.kill()
    command.wait()
    until(lambda: not any(alive(pid) for pid in worker_ids(folder)), 20)
    run_workers(where, "search", BUILD, 1)
    check_whole(where, folder, 12)


@pytest.mark.slow
def test_a_candidate_that_kills_its_workers_does_not_end_the_search(folder):
    where = begin("auto", folder, 9, die=["b"])
    run_workers(where, "search", BUILD, 2)
    history = History.of(join_study(where, "search"))
    (given_up,) = [t for t in history.counted if t.state == TrialState.FAIL]
    assert given_up.user_attrs[KEY] == "b" and len(list(folder.glob("begun-*"))) == RETRIES + 1 + 8
    assert len(history.counted) == 9


def test_a_worker_joins_and_an_interrupt_ends_it_in_order(folder):
    """Another command on the same study: it takes its share; Ctrl-C queues its trial again."""
    where = begin("auto", folder, 30, pause=0.2)
    joined = alone("auto", 1)
    until(lambda: list(folder.glob("done-*")))
    interrupt = threading.Thread(target=interrupted, args=[joined])
    interrupt.start()
    run_workers(where, "search", BUILD, 1)
    interrupt.join()
    output, _ = joined.communicate(timeout=60)
    assert joined.returncode != 0, output
    check_whole(where, folder, 30)
    assert {int(path.name.split("-")[-1]) for path in folder.glob("done-*")} == {joined.pid, os.getpid()}
    assert {int(path.name.split("-")[-1]) for path in folder.glob("closed-*")} == {joined.pid, os.getpid()}


@pytest.mark.slow
def test_what_is_wrong_with_all_workers_is_an_error(folder):
    where = begin("auto", folder, 5)
    with pytest.raises(XferError, match="None of the 2 workers") as caught:
        run_workers(where, "search", "tests.searching.fast_runs:no_such_function", 2)
    assert caught.value.exit_code == 1
