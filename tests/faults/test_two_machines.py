"""Two machines and one tracking server want the same phases: one trains each, whatever happens to the other.

A machine is a process with an XFER_HOME of its own: it shares no file lock and no resume state with the
other.
"""

from __future__ import annotations

import os
import signal
from collections import Counter
from pathlib import Path

import pytest
from mlflow import MlflowClient

from tests.conftest import TEXTS
from tests.faults.test_killed_driver import transfer
from tests.server import Server

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

STEPS = 400
PHASE = [
    "pretrain",
    "--model",
    "scratch:xlm-roberta:tiny",
    "--text",
    TEXTS,
    "--train_batch_size",
    "8",
    "--max_steps",
    str(STEPS),
]


@pytest.fixture(scope="module")
def server(tmp_path_factory, blank_store):
    one = Server(tmp_path_factory.mktemp("server"), blank_store)
    one.start()
    yield one
    one.kill()


class Machines:
    """Starts the same phase on machines by name;
    its runs are those of an experiment that is the test's own.
    """

    def __init__(self, server: Server, folder: Path, command):
        self.client, self.uri, self.folder, self.command = (
            MlflowClient(server.uri),
            server.uri,
            folder,
            command,
        )
        self.experiment = f"machines-{os.urandom(4).hex()}"
        self.seed = str(int.from_bytes(os.urandom(3), "big"))  # a phase that no other test has

    def start(self, name: str, stale: float = 180.0, asked=None, **more: str):
        where = {
            "MLFLOW_TRACKING_URI": self.uri,
            "MLFLOW_EXPERIMENT_NAME": self.experiment,
            "XFER_HOME": str(self.folder / name),
            "XFER_STALE_SECONDS": str(stale),
            **more,
        }
        return self.command(*(asked or [*PHASE, "--seed", self.seed]), **where)

    def runs(self) -> list:
        found = self.client.get_experiment_by_name(self.experiment)
        return (
            self.client.search_runs([found.experiment_id], order_by=["attributes.start_time ASC"])
            if found
            else []
        )

    def done(self) -> list:
        return [run for run in self.runs() if run.data.tags["xfer.kind"] == "phase"]

    def training(self) -> bool:
        return any("train/loss" in run.data.metrics for run in self.runs())

    def states(self) -> list[str]:
        return [run.info.status for run in self.runs()]


@pytest.fixture
def machines(server, tmp_path, command):
    return Machines(server, tmp_path, command)


def test_one_trains_and_the_other_waits_and_takes(machines):
    first = machines.start("a")
    first.until(machines.training, every=0.1)
    first.process.send_signal(signal.SIGSTOP)  # so that it is not done before the other has begun
    second = machines.start("b")
    second.until(lambda: "Waiting for a worker on another machine" in second.text)
    first.process.send_signal(signal.SIGCONT)
    assert first.wait() == 0, first.text
    assert second.wait() == 0, second.text
    (run,) = machines.runs()
    assert run.info.status == "FINISHED" and f"reused run {run.info.run_id}" in second.text


def test_a_killed_worker_is_taken_over_once_it_has_not_been_heard_of(machines):
    first = machines.start("a", stale=4)
    first.until(machines.training, every=0.1)
    first.kill()
    second = machines.start("b", stale=4)
    assert second.wait() == 0, second.text
    assert "Waiting for a worker on another machine" in second.text
    assert machines.states() == ["KILLED", "FINISHED"]
    again = machines.start("a")
    assert again.wait() == 0, again.text
    assert "reused run" in again.text and machines.states() == ["KILLED", "FINISHED"]


def test_a_stalled_worker_that_was_taken_over_publishes_nothing(machines):
    first = machines.start("a", stale=4)
    first.until(machines.training, every=0.1)
    first.process.send_signal(signal.SIGSTOP)
    second = machines.start("b", stale=4)
    assert second.wait() == 0, second.text
    first.process.send_signal(signal.SIGCONT)
    assert first.wait() == 0, first.text
    stalled, taken = machines.runs()
    assert (stalled.info.status, taken.info.status) == ("KILLED", "FINISHED")
    assert "took this phase over" in first.text and f"reused run {taken.info.run_id}" in first.text
    assert stalled.outputs is None or not stalled.outputs.model_outputs
    assert not list((machines.folder / "a" / "home" / "work").glob("*"))


def test_a_stalled_worker_leaves_alone_what_another_goes_on_with(machines):
    """Both keep their states in one folder."""
    shared = {"XFER_WORK": str(machines.folder / "states")}
    asked = [*PHASE, "--seed", machines.seed, "--save_every_steps", "10"]
    first = machines.start("a", 4, asked, **shared)
    first.until(machines.training, every=0.1)
    first.process.send_signal(signal.SIGSTOP)
    second = machines.start("b", 4, asked, **shared)
    second.until(lambda: "resumed in run" in second.text)
    first.process.send_signal(signal.SIGCONT)
    assert second.wait() == 0 and first.wait() == 0, first.text + second.text
    (run,) = machines.runs()
    assert run.info.status == "FINISHED" and f"reused run {run.info.run_id}" in first.text
    assert "took this phase over" in first.text or "goes on with this training" in first.text


def test_two_machines_share_the_phases_of_a_transfer(machines):
    """Each passes over what the other one makes, does what is free, and takes what is done."""
    asked = transfer(seeds="0,1,2", workers=1, max_steps=120)
    first, second = machines.start("a", asked=asked), machines.start("b", asked=asked)
    assert first.wait() == 0, first.text
    assert second.wait() == 0, second.text
    phases = machines.done()
    hashes = [run.data.tags["xfer.spec_hash"] for run in phases]
    assert len(hashes) == len(set(hashes)) == 1 + 3 * 4 and {run.info.status for run in phases} == {
        "FINISHED"
    }
    made = Counter(run.data.tags["xfer.holder"].rsplit("-", 2)[0] for run in phases)
    assert len(made) == 2, "each did some"
    assert "another process makes it" in first.text + second.text
    conditions = [run for run in machines.runs() if run.data.tags["xfer.kind"] == "condition"]
    scores = [run.data.metrics["selected/avg"] for run in conditions]
    assert len(scores) == 2 and scores[0] == scores[1] and "RUNNING" not in machines.states()


def test_a_transfer_whose_other_machine_dies_is_finished_by_the_one_that_is_left(machines):
    asked = transfer(seeds="3,4", workers=1, max_steps=120, **{"pretrain.max_steps": 300})
    first = machines.start("a", stale=6, asked=asked)
    first.until(machines.training, every=0.1)
    second = machines.start("b", stale=6, asked=asked)
    second.until(lambda: "another process makes it" in second.text)
    first.kill()
    assert second.wait() == 0, second.text
    phases = [run for run in machines.done() if run.info.status == "FINISHED"]
    assert len({run.data.tags["xfer.spec_hash"] for run in phases}) == len(phases) == 1 + 2 * 4
