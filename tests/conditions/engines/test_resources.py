"""How a cluster is shared out, what its nodes cannot give, what a task leaves behind: without a cluster."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

from mlflow_xfer.conditions.crew import Crew, crew_of
from mlflow_xfer.conditions.engines import cluster, handlers, on_node
from mlflow_xfer.conditions.engines import ray as on_ray
from mlflow_xfer.conditions.engines.engine import Needs
from mlflow_xfer.conditions.engines.resources import Node, Room
from mlflow_xfer.errors import XferError
from mlflow_xfer.params import parse
from mlflow_xfer.params.settings import RuntimeOptions

BIG, SMALL = Node(16, 4, 64e9), Node(4, 0, 8e9)


@pytest.mark.parametrize(
    ("nodes", "workers", "runtime", "slots", "share", "gpus"),
    [
        ([SMALL, SMALL], None, {}, 4, 2, 0),
        ([SMALL, SMALL], 2, {}, 2, 4, 0),
        ([SMALL, SMALL], 3, {}, 3, 2, 0),
        ([SMALL], 9, {}, 9, 1, 0),
        ([BIG, SMALL], None, {}, 4, 4, 1),
        ([BIG, SMALL], None, {"processes": 2}, 2, 8, 2),
        ([BIG, SMALL], None, {"device": "cpu"}, 10, 2, 0),
        ([BIG], 8, {}, 8, 2, 0.5),
        ([Node(8, 1)], 3, {}, 3, 2, 1 / 3),
    ],
)
def test_a_phase_gets_its_share_of_a_node(plan, nodes, workers, runtime, slots, share, gpus):
    room = Room(nodes, workers, RuntimeOptions(**runtime))
    assert (room.slots, room.share) == (slots, share)
    asked = room.asked(plan().phases[0], Needs())
    assert (asked.cores, asked.gpus) == (share, pytest.approx(gpus))
    assert bool(asked.memory) == (not gpus), "of a GPU the memory is not asked for"


def test_what_no_node_has_is_refused(plan):
    phase = plan().phases[0]
    assert Room([SMALL], None, RuntimeOptions()).asked(phase, Needs(cores=99)).cores == 4, "all of them"
    for nodes, runtime, needs in (
        ([SMALL], {"device": "cuda"}, Needs()),
        ([BIG], {"processes": 8}, Needs()),
        ([SMALL], {}, Needs(memory=int(9e9))),
        ([], {}, Needs()),
    ):
        with pytest.raises(XferError, match="no node of the Ray cluster has that") as refused:
            Room(nodes, None, RuntimeOptions(**runtime)).asked(phase, needs)
        assert refused.value.exit_code == 2


def test_evaluations_ask_for_one_gpu(plan):
    *_, evaluation = plan().phases
    assert Room([BIG], None, RuntimeOptions(processes=2)).asked(evaluation, Needs()).gpus == 1


def test_a_task_leaves_its_process_as_it_was(tmp_path, monkeypatch):
    monkeypatch.setenv("XFER_VERB", "before")
    folder, handler = os.getcwd(), signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt), on_node.as_it_was():
        os.environ["XFER_VERB"] = os.environ["XFER_NEW"] = "inside"
        signal.signal(signal.SIGTERM, lambda *_: None)
        os.chdir("/")
        raise KeyboardInterrupt
    assert os.environ["XFER_VERB"] == "before" and "XFER_NEW" not in os.environ
    assert os.getcwd() == folder and signal.getsignal(signal.SIGTERM) == handler


class Told(SystemExit):
    """What a command's handler of SIGTERM raises."""


def tell(*_):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise Told(75)


@pytest.fixture
def told():
    before = signal.signal(signal.SIGTERM, tell)
    yield
    signal.signal(signal.SIGTERM, before)


def test_what_the_handler_of_sigterm_raises_is_not_replaced_by_ray(told):
    with pytest.raises(Told), handlers.as_raised():
        try:
            signal.raise_signal(signal.SIGTERM)
        except SystemExit:
            raise SystemExit("Ray: SystemExit is raised") from None
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN, "as the handler has left it"


def test_the_handler_of_sigterm_stays_when_nothing_comes(told):
    with pytest.raises(SystemExit, match="another"), handlers.as_raised():
        raise SystemExit("another")
    assert signal.getsignal(signal.SIGTERM) is tell


def test_sigterm_while_ray_starts_is_for_the_handler_of_before(told):
    with pytest.raises(Told), handlers.handlers_kept():
        signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(number))
        signal.raise_signal(signal.SIGTERM)


def test_credentials_are_told_to_tasks_and_not_shown_to_ray():
    shown, told = cluster.shown_and_told(
        {
            "MLFLOW_TRACKING_URI": "http://server",
            "MLFLOW_TRACKING_TOKEN": "t",
            "MLFLOW_S3_ENDPOINT_URL": "https://me:secret@store",
            "AWS_ACCESS_KEY_ID": "k",
            "HF_TOKEN": "h",
            "HF_HUB_OFFLINE": "1",
            "XFER_STALE_SECONDS": "4",
            "XFER_HOME": "/home/me",
            "RAY_AUTH_TOKEN": "r",
            "PASSWORD": "p",
        }
    )
    assert shown == {"HF_HUB_OFFLINE": "1", "XFER_STALE_SECONDS": "4"}
    uris = {"MLFLOW_TRACKING_URI", "MLFLOW_S3_ENDPOINT_URL"}
    assert told.keys() == uris | {"MLFLOW_TRACKING_TOKEN", "AWS_ACCESS_KEY_ID", "HF_TOKEN"}


@pytest.mark.parametrize(
    ("given", "file", "made"),
    [
        ({}, False, True),
        ({"RAY_AUTH_MODE": "token"}, False, True),
        ({"RAY_AUTH_MODE": "disabled"}, False, False),
        ({"RAY_AUTH_TOKEN_PATH": "/mine"}, False, False),
        ({}, True, False),
    ],
)
def test_a_cluster_that_is_started_asks_for_a_token(given, file, made, tmp_path, monkeypatch):
    """Of this process, if the user has none: Ray's own would be read by all."""
    (tmp_path / ".ray").mkdir()
    if file:
        (tmp_path / ".ray" / "auth_token").write_text("mine")
    with monkeypatch.context() as there:
        there.setattr(os, "environ", {"HOME": str(tmp_path), **given})
        there.setattr(Path, "home", lambda: tmp_path)
        there.delitem(sys.modules, "ray", raising=False)
        cluster.keep_out_others()
        assert os.environ["RAY_AUTH_MODE"] == given.get("RAY_AUTH_MODE", "token")
        assert len(os.environ.get("RAY_AUTH_TOKEN", "")) == (64 if made else 0)


def test_who_asks_for_ray_without_it_is_told_how_to_install_it(monkeypatch):
    monkeypatch.setattr(on_ray.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(XferError, match="not installed") as missing:
        crew_of(parse("transfer", {"engine": "ray"}), "http://server")
    assert "pip install 'mlflow-xfer[ray]'" in missing.value.hint and missing.value.exit_code == 2


def test_a_crew_is_what_was_asked_for(monkeypatch):
    monkeypatch.setattr(on_ray.importlib.util, "find_spec", lambda name: object())

    def asked(uri="http://server", **typed):
        return crew_of(parse("transfer", typed), uri, alone=True)

    assert asked() == Crew(1) and asked().in_process
    assert asked(engine="ray") == Crew(None, "ray") and not asked(engine="ray", workers="1").in_process
    assert asked(engine="ray", ray_address="auto", workers="9") == Crew(9, "ray", "auto")
    assert asked("sqlite:///a.db", engine="ray").workers in range(1, 5), "as many as a file serves"
    assert Crew(9).for_phases(3) == Crew(3) and Crew(9, "ray").for_phases(3) == Crew(9, "ray")
    for wrong, typed in (
        ("needs engine=ray", {"ray_address": "auto"}),
        ("no address of a cluster", {"engine": "ray", "ray_address": "ray://head:10001"}),
    ):
        with pytest.raises(XferError, match=wrong):
            asked(**typed)
