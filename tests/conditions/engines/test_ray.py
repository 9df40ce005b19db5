"""A Ray cluster of three nodes on this machine, each with a home of its own, and one tracking server: what is
found depends neither on where phases run nor on what is killed.
"""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import threading
import time
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import pytest
from mlflow import MlflowClient

from mlflow_xfer.conditions.engines.engine import Failed, Finished, Needs, Order, Progress
from mlflow_xfer.conditions.engines.ray import OnRay
from mlflow_xfer.errors import XferError
from mlflow_xfer.params.settings import RuntimeOptions
from mlflow_xfer.tracking.store import Store
from tests.conftest import ROOT, link_caches
from tests.faults.conftest import command  # noqa: F401 (a fixture)
from tests.faults.test_killed_search import SEARCH, history
from tests.server import Server

cluster_utils = pytest.importorskip("ray.cluster_utils")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

TRIALS = 4
QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AUTH_MODE": "disabled",
    "RAY_DEDUP_LOGS": "0",
    "RAY_worker_niceness": "0",  # else tests that run beside these take all cores
}


@pytest.fixture(scope="module")
def server(tmp_path_factory, blank_store):
    one = Server(tmp_path_factory.mktemp("server"), blank_store)
    one.start()
    yield one
    one.kill()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory, session_folder):
    """A head without cores, and two nodes of one core."""
    folder = tmp_path_factory.mktemp("nodes")
    with pytest.MonkeyPatch.context() as there:
        for name, value in QUIET.items():
            there.setenv(name, value)
        made = cluster_utils.Cluster(
            initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False}
        )

        def joined(name: str):
            link_caches(folder / name, session_folder)
            own = {"XFER_HOME": str(folder / name), "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
            return made.add_node(num_cpus=1, env_vars=own)

        nodes = {name: joined(name) for name in "ab"}
        yield SimpleNamespace(
            address=made.address, nodes=nodes, kill=made.remove_node, join=joined, folder=folder
        )
        made.shutdown()


def places(server, folder: Path, name: str) -> dict[str, str]:
    return QUIET | {
        "MLFLOW_TRACKING_URI": server.uri,
        "MLFLOW_EXPERIMENT_NAME": name,
        "XFER_HOME": str(folder / name),
        "XFER_STALE_SECONDS": "4",
    }


def blank(folder: Path) -> SimpleNamespace:
    """A store of its own, where nothing of the cluster's is found."""
    return SimpleNamespace(uri=f"sqlite:///{folder / 'alone.db'}")


def phases(server, name: str) -> list:
    client = MlflowClient(server.uri)
    found = client.get_experiment_by_name(name)
    return client.search_runs([found.experiment_id], "tags.xfer.kind = 'phase'") if found else []


def states(server, name: str) -> Counter:
    return Counter(run.info.status for run in phases(server, name))


def training(server, name: str) -> list:
    """The phases that train."""
    return [
        run
        for run in phases(server, name)
        if run.info.status == "RUNNING" and "train/loss" in run.data.metrics
    ]


def at_work(server, name: str, cluster) -> str | None:
    """A node that trains a phase; None: none does."""
    holders = [run.data.tags["xfer.holder"] for run in training(server, name)]
    places = {node: cluster.folder / node / "locks" / "place" for node in cluster.nodes}
    known = {node: file.read_text() for node, file in places.items() if file.exists()}
    return next((node for node, place in known.items() if any(place in one for one in holders)), None)


@pytest.fixture
def engine(server, cluster, monkeypatch):
    """Engines on the cluster, for an experiment of the test's own."""
    for name, value in places(server, cluster.folder, f"test-{os.urandom(4).hex()}").items():
        monkeypatch.setenv(name, value)
    with Store.open() as store:
        yield lambda **runtime: OnRay(store, None, cluster.address, RuntimeOptions(**runtime))


def test_what_no_node_has_is_refused_before_it_is_submitted(engine, plan):
    with engine(device="cuda") as one:
        with pytest.raises(XferError, match="needs 1 cores, 1 GPUs; no node of the Ray cluster") as refused:
            one.submit(plan().phases[0], Order(), Needs())
        assert refused.value.exit_code == 2 and not one.jobs and one.slots == 2


def test_a_phase_is_taken_back_and_goes_on_when_it_is_wanted_again(engine, plan, submit):
    before = signal.getsignal(signal.SIGTERM)
    with engine() as one:
        (handle,) = submit(one, plan().phases[:1]).values()
        for event in one.events():
            if isinstance(event, Progress) and event.step == 10:
                assert one.cancel(handle)
        assert isinstance(event, Failed) and event.error.exit_code == 75
        submit(one, plan().phases[:3])
        ended = [event for event in one.events() if isinstance(event, Finished)]
    assert len(ended) == 3 and {event.done.how for event in ended} <= {"made", "resumed"}
    assert signal.getsignal(signal.SIGTERM) == before, "the command's own"


def test_sigterm_ends_a_command_on_it_as_its_handler_says(engine, plan, submit):
    class Told(SystemExit):
        pass

    def tell(*_):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        raise Told(75)

    before = signal.signal(signal.SIGTERM, tell)
    try:
        with engine() as one:
            submit(one, plan().phases[:1])
            threading.Timer(1, os.kill, (os.getpid(), signal.SIGTERM)).start()
            with pytest.raises(Told):
                list(one.events())
    finally:
        signal.signal(signal.SIGTERM, before)


def test_what_stands_on_a_lost_task_is_lost_with_it(engine):
    """The exception of a lost input comes as one that the task raised."""

    def die() -> None:
        os.abort()

    def fail() -> None:
        raise ValueError("a fault of the program")

    def passed_on(line: str) -> str:
        return line

    with engine() as one:
        dying, failing, passing = (one.cluster.ray.remote(f) for f in (die, fail, passed_on))
        dead = dying.options(max_retries=0).remote()
        for task in (dead, passing.remote(dead)):
            line, why = one.cluster.result(task)
            assert line == "" and "WorkerCrashedError" in why
        wrong = failing.remote()
        for task in (wrong, passing.remote(wrong)):
            with pytest.raises(XferError, match="a fault of the program"):
                one.cluster.result(task)


def workers(ran) -> set[str]:
    """The processes of nodes that ran phases of a command; a search and its confirmation have their own."""
    return set(re.findall(r"pid=(\d+)", ran.text))


def typed_search(trials: int, **more: object) -> list[str]:
    """A search whose trials depend on no timing, and one confirmation of what it finds."""
    asked = {**SEARCH, "batches": 3, "n_trials": trials, "max_tasks": 2, "pruner": "none", "max_steps": 100}
    asked |= {"confirm_top": 1, "confirm_seeds": 2, **more}
    return ["search", *(part for name, value in asked.items() for part in (f"--{name}", str(value)))]


def finished(server, name: str) -> Counter:
    """How often each phase was finished."""
    done = [run for run in phases(server, name) if run.info.status == "FINISHED"]
    return Counter(run.data.tags["xfer.spec_hash"] for run in done)


def on_ray(cluster) -> list[str]:
    return ["--engine", "ray", "--ray_address", cluster.address]


def test_a_search_ends_as_on_this_host_whatever_is_killed(server, cluster, command, tmp_path):  # noqa: F811
    typed = typed_search(TRIALS, pool="nli,attribute")
    there = [*typed, *on_ray(cluster)]
    other = blank(tmp_path)
    alone = command(*typed, "--workers", "1", **places(other, tmp_path, "alone"))  # beside the other one

    first = command(*there, **places(server, tmp_path, "there"))
    busy = first.until(lambda: at_work(server, "there", cluster), every=0.2)
    cluster.kill(cluster.nodes.pop(busy), allow_graceful=False)
    done = states(server, "there")["FINISHED"]
    first.until(lambda: states(server, "there")["FINISHED"] > done and training(server, "there"), every=0.2)
    first.kill()

    second = command(*there, **places(server, tmp_path, "there"))
    cluster.nodes["c"] = cluster.join("c")
    assert second.wait(600) == 0, second.text
    assert alone.wait(600) == 0, alone.text
    assert history(tmp_path / "there") == history(tmp_path / "alone")
    found = finished(server, "there")
    assert len(found) > TRIALS and set(found.values()) == {1}, "no phase was finished twice"
    assert found.keys() == finished(other, "alone").keys(), "those of the confirmation among them"
    assert len(workers(second)) <= 2 * len(cluster.nodes), (
        "no node runs more phases at once than it has cores"
    )
    assert "confirming" in second.text and (cluster.folder / "a" / "work").stat().st_mode & 0o777 == 0o700
    before = states(server, "there")
    assert before["RUNNING"] == 0 and before["FAILED"] == 0

    again = command(*there, **places(server, tmp_path, "there"))
    assert again.wait(600) == 0, again.text
    assert states(server, "there") == before, "nothing is trained again"


STUDY = f"""
name: spread
question: Does a study run on a cluster?
shared:
  model: {SEARCH["model"]}
  text: {SEARCH["text"]}
  target: choice
  languages: en
  seeds: "7"
  max_steps: 2
  pretrain.max_steps: PRETRAINED
  train_batch_size: 4
  max_train_examples: 8
  max_eval_examples: 4
arms:
  - {{name: none, params: {{intermediate: none}}}}
  - {{name: attribute, params: {{intermediate: attribute}}, against: none}}
sections: [arms by targets]
"""


def typed_study(folder: Path, pretrained: int) -> list[str]:
    """A study whose base model is pre-trained for so many steps."""
    (folder / "study.yaml").write_text(STUDY.replace("PRETRAINED", str(pretrained)))
    return ["study", "--study", "study.yaml"]


def test_a_study_runs_on_it(server, cluster, command, tmp_path):  # noqa: F811
    ran = command(*typed_study(tmp_path, 2), *on_ray(cluster), **places(server, tmp_path, "study"))
    assert ran.wait(600) == 0, ran.text
    assert f"a Ray cluster ({cluster.address})" in ran.text
    assert states(server, "study") == Counter(FINISHED=6), (
        "a pretrained model, a task, twice target and scores"
    )


@pytest.mark.nightly
def test_a_study_goes_on_without_a_node_that_dies_in_the_middle_of_a_phase(
    server,
    cluster,
    command,  # noqa: F811
    tmp_path,
):
    cluster.nodes["d"] = cluster.join("d")
    ran = command(*typed_study(tmp_path, 200), *on_ray(cluster), **places(server, tmp_path, "killed"))
    busy = ran.until(lambda: at_work(server, "killed", cluster), every=0.2)
    cluster.kill(cluster.nodes.pop(busy), allow_graceful=False)
    assert ran.wait(600) == 0, ran.text
    assert "it goes on elsewhere" in ran.text
    assert states(server, "killed") == Counter(FINISHED=6, KILLED=1), "two pretrained models are one too many"


@pytest.mark.nightly
@pytest.mark.timeout(3600)
def test_nodes_that_are_killed_at_random_lose_no_trial(server, cluster, command, tmp_path):  # noqa: F811
    """Twelve trials, the same as on this host; in every fifth to half of the time that they take there a node
    is lost, and another one joins (``XFER_SEED``)."""
    rng, kills = random.Random(int(os.environ.get("XFER_SEED", "0"))), 0
    typed = typed_search(12, pool="nli,attribute,types,polarity,position")
    began = time.monotonic()
    alone = command(*typed, "--workers", "1", **places(blank(tmp_path), tmp_path, "calm"))
    assert alone.wait(1800) == 0, alone.text
    calm = time.monotonic() - began
    asked = [*typed, *on_ray(cluster)]
    life = command(*asked, **places(server, tmp_path, "chaos"))
    while True:
        try:
            code = life.wait(calm * rng.uniform(0.2, 0.5))
        except subprocess.TimeoutExpired:
            cluster.kill(cluster.nodes.pop(rng.choice([*cluster.nodes])), allow_graceful=False)
            kills += 1
            cluster.nodes[f"joined {kills}"] = cluster.join(f"joined {kills}")
            continue
        if code != 75:  # else a phase was lost again and again: the same command goes on
            break
        life = command(*asked, **places(server, tmp_path, "chaos"))
    assert code == 0, life.text
    assert kills and set(finished(server, "chaos").values()) == {1}
    assert history(tmp_path / "chaos") == history(tmp_path / "calm")
    assert [state for _, state, *_ in history(tmp_path / "chaos")] == ["COMPLETE"] * 12
    assert not {"RUNNING", "FAILED"} & states(server, "chaos").keys()
    print(f"{kills} nodes killed")
