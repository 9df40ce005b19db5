"""Weights that are not to be kept go when their scores are known, and come back to the same bits."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import load_file

import mlflow_xfer
from mlflow_xfer.errors import XferError
from mlflow_xfer.phases import passing
from mlflow_xfer.phases.execute import Executor
from mlflow_xfer.phases.kept import to_run
from mlflow_xfer.tracking import checkpoints, published
from tests.conditions.conftest import TINY

ASKED = TINY | {"intermediate": "nli", "target": "mood", "pretrain.max_steps": 2}


def phases(store, result):
    """By kind, the runs of the phases of a transfer."""
    runs = [store.get(run) for run in store.get(result.run_id).inputs]
    return {run.tags["xfer.phase"]: run for run in runs}


def weights(store, run):
    return load_file(checkpoints.fetch(store, run.run_id) / "model.safetensors")


def test_weights_of_targets_go_and_are_made_again_to_the_same_bits(store, tmp_path):
    first = mlflow_xfer.transfer(**ASKED, keep="intermediate")
    made = phases(store, first)
    gone = made["target"]
    assert published.find(store, gone.run_id) is None and weights(store, made["intermediate"])
    assert not list((tmp_path / "mlruns").rglob(f"{gone.tags[checkpoints.MODEL_TAG]}/**/*.safetensors"))
    with pytest.raises(XferError, match="keep=all"):
        checkpoints.fetch(store, gone.run_id)
    again = mlflow_xfer.transfer(**ASKED, keep="intermediate")
    assert again.run_id == first.run_id and not again.made
    whole = mlflow_xfer.transfer(**ASKED)  # which keeps all
    assert len(whole.made) == 1
    (repeated,) = [store.get(run) for run in whole.made]
    assert repeated.tags["xfer.phase"] == "target"
    for name in ("train/loss", "dev/mood/en/selected"):
        assert repeated.metrics[name] == gone.metrics[name]
    fresh = phases(store, mlflow_xfer.transfer(**ASKED, reuse="never"))["target"]
    one, other = weights(store, repeated), weights(store, fresh)
    assert one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.fixture
def killed(store, monkeypatch):
    """Run a transfer that ends before it drops weights; returns the run of its target."""

    def run(**more):
        with monkeypatch.context() as there:
            there.setattr(Executor, "drop_weights", lambda self, phase: None)
            there.setattr(passing, "settle", lambda executor, root: None)
            first = mlflow_xfer.transfer(**ASKED | more, keep="intermediate")
        return phases(store, first)["target"]

    return run


@pytest.mark.parametrize("midway", [False, True])
def test_what_a_killed_command_did_not_drop_is_dropped_by_the_next(store, killed, midway):
    target = killed()
    assert published.find(store, target.run_id)
    if midway:  # killed while it dropped them
        store.client.set_tag(target.run_id, checkpoints.DROPPED, "true")
    again = mlflow_xfer.transfer(**ASKED, keep="intermediate")
    assert not again.made and published.find(store, target.run_id) is None
    assert checkpoints.DROPPED in store.get(target.run_id).tags and not passing.left(store)


def test_what_is_to_be_kept_by_then_stays(store, killed):
    target = killed()
    assert not mlflow_xfer.transfer(**ASKED, keep="all").made
    assert not mlflow_xfer.transfer(**ASKED, keep="intermediate").made
    assert weights(store, target), "whoever asked for them last was promised them"


def test_others_leave_it_alone(store, killed):
    target = killed()
    mlflow_xfer.transfer(**ASKED | {"languages": "en,de,sw"}, keep="intermediate")
    assert weights(store, target), "its own command may be about to evaluate it"


def test_a_dropped_target_is_trained_again_where_it_is_to_be_evaluated(store):
    mlflow_xfer.transfer(**ASKED, keep="none")
    more = mlflow_xfer.transfer(**ASKED | {"languages": "en,de,sw"}, keep="none")
    kinds = sorted(store.get(run).tags["xfer.phase"] for run in more.made)
    assert kinds == ["evaluate", "intermediate", "target"]
    assert published.find(store, phases(store, more)["pretrain"].run_id) is not None


def test_what_is_evaluated_later_has_its_dropped_inputs_made_again(store, plan):
    first = mlflow_xfer.transfer(**ASKED, keep="intermediate")
    executor = Executor(store, keep="intermediate")
    evaluation = plan(**ASKED).phases[-1]
    assert executor.ensure(evaluation).how == "reused" and len(executor.done) == 1, "it needs no weights"
    *_, target, another = plan(**ASKED | {"languages": "en,de,sw"}).phases
    assert executor.known(target, weights=False) and not executor.done[target.spec_hash].weights
    assert executor.done[target.spec_hash].run_id == phases(store, first)["target"].run_id
    assert executor.ensure(another).how == "made" and executor.done[target.spec_hash].how == "made"


def test_what_is_to_run(plan):
    """Weights are needed where they are kept, and where something starts from them that is to run."""
    made = plan(intermediate="nli", target="mood").phases
    kinds = [phase.kind for phase in made]
    dropped = {phase.spec_hash for phase in made if phase.kind == "target"}

    def exists(without=""):
        return lambda phase, weights: phase.kind != without and not (weights and phase.spec_hash in dropped)

    assert kinds == ["pretrain", "intermediate", "target", "evaluate"]
    assert to_run(made, exists(), "intermediate") == []
    assert [phase.kind for phase in to_run(made, exists(), "all")] == ["target"]
    assert [phase.kind for phase in to_run(made, exists("evaluate"), "none")] == ["target", "evaluate"]
