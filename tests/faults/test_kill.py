"""SIGKILL in each phase: the repeated command resumes in the same run and ends with the undisturbed run's
result.
"""

from __future__ import annotations

import logging
import os
import random
import shutil
import time
from pathlib import Path

import pytest

from tests.conftest import TEXTS, link_caches

TINY = ["--train_batch_size", "4", "--max_steps", "60", "--save_every_steps", "6"]
BASE = ["pretrain", "--model", "scratch:xlm-roberta:tiny", "--text", TEXTS]
PHASES = {
    "pretrain": [*BASE, *TINY],
    "intermediate": ["intermediate", "--intermediate", "nli", *TINY],
    "mixture": [
        "intermediate",
        "--intermediate",
        "nli,{second}",
        "--mlm_share",
        "0.4",
        "--text",
        TEXTS,
        *TINY,
    ],
    "target": ["target", "--target", "pos", *TINY],
}
# Inside a write: the same code in every phase, so once, in the richest one, and by default.
CASES = [
    pytest.param("mixture", "inside"),
    *(pytest.param(phase, "between", marks=pytest.mark.slow) for phase in PHASES),
]


@pytest.fixture(scope="module")
def base(tmp_path_factory, blank_store, session_folder):
    """A store with a tiny base, and the id of its run."""
    folder = tmp_path_factory.mktemp("base")
    shutil.copy(blank_store, folder)
    link_caches(folder / "home", session_folder)
    return folder, done_here(folder, [*BASE, "--max_steps", "3"]).run_id


def place(folder: Path) -> dict[str, str]:
    return {
        "XFER_HOME": str(folder / "home"),
        "MLFLOW_TRACKING_URI": f"sqlite:///{folder / 'mlflow.db'}",
    }


def done_here(folder: Path, command: list[str]):
    """What the command does in a process of its own, done in this one:
    importing torch takes longer than the phase.
    """
    import mlflow_xfer

    verb, *options = command
    typed = {name.removeprefix("--"): value for name, value in zip(options[::2], options[1::2], strict=True)}
    with pytest.MonkeyPatch.context() as there:
        there.chdir(folder)
        for name, value in place(folder).items():
            there.setenv(name, value)
        return getattr(mlflow_xfer, verb)(**typed)


def runs(folder: Path, phase: str) -> list:
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{folder / 'mlflow.db'}")
    query = f"tags.xfer.kind = 'phase' AND tags.xfer.phase = '{phase}'"
    return [r for e in client.search_experiments() for r in client.search_runs([e.experiment_id], query)]


def weights(folder: Path, run) -> dict:
    """Every tensor of the run's checkpoint, by file and name."""
    from mlflow import MlflowClient
    from safetensors.torch import load_file

    logged = MlflowClient(f"sqlite:///{folder / 'mlflow.db'}").get_logged_model(
        run.data.tags["xfer.model_id"]
    )
    model = Path(logged.artifact_location.removeprefix("file://"))
    return {
        f"{path.relative_to(model)}:{name}": tensor
        for path in sorted(model.rglob("*.safetensors"))
        for name, tensor in load_file(path).items()
    }


def caught(folder: Path, moment: str) -> bool:
    """Whether a resume state is complete (``between``), and a further one half-written (``inside``)."""
    states = [path for path in (folder / "home" / "work").glob("*/resume/*") if path.is_dir()]
    complete = any((path / "manifest.json").is_file() and path.suffix != ".partial" for path in states)
    return complete and (moment == "between" or any(path.suffix == ".partial" for path in states))


def newest_state(folder: Path) -> int:
    """The step of the newest resume state, 0 without one."""
    states = (folder / "home" / "work").glob("*/resume/step-*")
    return max((int(path.name.removeprefix("step-")) for path in states), default=0)


def history(folder: Path, run, name: str) -> list[tuple[int, float]]:
    """All points of a metric, in the order of their steps; one logged twice would stand there twice."""
    from mlflow import MlflowClient

    points = MlflowClient(f"sqlite:///{folder / 'mlflow.db'}").get_metric_history(run.info.run_id, name)
    return sorted((point.step, point.value) for point in points)


def second_task() -> str:
    from mlflow_xfer.tasks.catalogue import TASKS

    return next(
        t.name
        for t in TASKS
        if "mini" in t.sources and "intermediate" in t.uses and t.kind == "classification" and t.name != "nli"
    )


@pytest.mark.parametrize(("phase", "moment"), CASES)
def test_a_killed_training_is_resumed_bit_equal(phase, moment, base, tmp_path, command, caplog):
    kind = "intermediate" if phase == "mixture" else phase
    own = [argument.format(second=second_task()) for argument in PHASES[phase]]
    own += [] if phase == "pretrain" else ["--model", base[1]]
    calm, killed = tmp_path / "calm", tmp_path / "killed"
    for folder in (calm, killed):
        shutil.copytree(base[0], folder, symlinks=True)
    before = {run.info.run_id for run in runs(calm, kind)}

    victim = command(*own, **place(killed))
    victim.until(lambda: caught(killed, moment))
    victim.kill()
    (held,) = [run for run in runs(killed, kind) if run.info.run_id not in before]
    assert held.info.status == "RUNNING"
    found = {}
    for folder in (killed, calm):
        caplog.clear()
        with caplog.at_level(logging.INFO):
            done_here(folder, own)
        assert ("resumed in run" in caplog.text) == (folder == killed)
        (found[folder],) = [run for run in runs(folder, kind) if run.info.run_id not in before]
    assert found[killed].info.run_id == held.info.run_id and found[killed].info.status == "FINISHED"
    assert_bit_equal(found)


def assert_bit_equal(found: dict) -> None:
    """The runs of two folders have the same weights and the same history."""
    import torch

    (ours, run), (theirs, other) = found.items()
    tensors, expected = weights(ours, run), weights(theirs, other)
    assert tensors.keys() == expected.keys() and len(tensors) > 10
    assert all(torch.equal(tensors[name], expected[name]) for name in tensors)
    for name in ("train/optimizer_steps", "train/tokens", "train/loss"):
        assert history(ours, run, name) == history(theirs, other, name)


@pytest.mark.nightly
@pytest.mark.timeout(2400)
def test_a_training_killed_at_any_moment_again_and_again_is_bit_equal(base, tmp_path, command):
    """Killed while it starts, and at random steps (``XFER_SEED``), whatever the machine needs for one."""
    rng = random.Random(int(os.environ.get("XFER_SEED", "0")))
    own = [argument.format(second=second_task()) for argument in PHASES["mixture"]]
    own += ["--max_steps", "1000", "--model", base[1]]
    calm, killed = tmp_path / "calm", tmp_path / "killed"
    for folder in (calm, killed):
        shutil.copytree(base[0], folder, symlinks=True)
    for step in (0, *sorted(rng.sample(range(1, 900), 5))):
        life = command(*own, **place(killed))
        if step:
            life.until(lambda step=step: newest_state(killed) >= step, 1200)
        time.sleep(rng.uniform(0, 0.1 if step else 5))
        life.kill()
    last = command(*own, **place(killed))
    assert last.wait(1200) == 0, last.text
    done_here(calm, own)
    found = {folder: runs(folder, "intermediate") for folder in (killed, calm)}
    assert [len(there) for there in found.values()] == [1, 1] and found[killed][0].info.status == "FINISHED"
    assert_bit_equal({folder: there[0] for folder, there in found.items()})


@pytest.mark.slow
def test_a_killed_evaluation_is_done_again_in_the_same_run(base, tmp_path, command):
    folder = tmp_path / "killed"
    shutil.copytree(base[0], folder, symlinks=True)
    own = ["evaluate", "--model", base[1], "--target", "retrieval"]
    victim = command(*own, **place(folder))
    victim.until(lambda: any((folder / "home" / "work").glob("*/run.json")))
    victim.kill()
    (held,) = runs(folder, "evaluate")
    assert held.info.status == "RUNNING"
    done_here(folder, own)
    (done,) = runs(folder, "evaluate")
    assert (
        done.info.run_id == held.info.run_id
        and done.info.status == "FINISHED"
        and "eval/retrieval/de" in done.data.metrics
    )
