"""Which finished transfers and conditions are taken: those whose phases are there, and of the same seed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from mlflow import MlflowClient

from mlflow_xfer.conditions.condition import run_plan
from mlflow_xfer.errors import XferError
from mlflow_xfer.phases import execute
from mlflow_xfer.phases.execute import Executor
from mlflow_xfer.tracking import checkpoints
from mlflow_xfer.tracking.results import results


@pytest.fixture
def folder(store, plan, tmp_path) -> str:
    """A checkpoint as a folder."""
    first, *_ = plan(target="choice").phases
    made = Executor(store).ensure(first)
    return str(shutil.copytree(checkpoints.fetch(store, made.run_id), tmp_path / "model"))


def evaluations(store, run_id: str) -> list[str]:
    return [one for one in store.get(run_id).inputs if store.get(one).tags["xfer.phase"] == "evaluate"]


def test_a_transfer_whose_evaluation_was_deleted_is_not_taken(store, plan):
    asked = plan(target="choice", seeds="1")
    first = run_plan(Executor(store), asked, None)
    MlflowClient().delete_run(evaluations(store, first)[0])
    second = run_plan(Executor(store), asked, None)
    assert second != first and run_plan(Executor(store), asked, None) == second
    both = plan(target="choice", seeds="1,2")
    condition = run_plan(Executor(store), both, None)
    assert second in store.get(condition).inputs
    store.flush()
    assert sorted(results(store, [condition])["seed"].unique()) == [1, 2]

    MlflowClient().delete_run(evaluations(store, second)[0])
    run_plan(Executor(store), asked, None)
    again = run_plan(Executor(store), both, None)
    assert again != condition, "a condition of the deleted one is not taken either"
    store.flush()
    assert sorted(results(store, [again])["seed"].unique()) == [1, 2]


def test_other_seeds_of_what_depends_on_no_seed_have_transfers_of_their_own(store, folder, plan):
    of = {"model": folder, "text": "none", "target": "retrieval"}
    runs = {seeds: run_plan(Executor(store), plan(**of, seeds=seeds), None) for seeds in ("1", "2", "1,2")}
    assert [store.get(runs[seed]).tags["xfer.seed"] for seed in ("1", "2")] == ["1", "2"]
    assert evaluations(store, runs["1"]) == evaluations(store, runs["2"]), "they are one evaluation"
    assert set(store.get(runs["1,2"]).inputs) == {runs["1"], runs["2"]}
    store.flush()
    frame = results(store)
    assert sorted(frame["seed"].unique()) == [1, 2] and not frame.duplicated(["language", "seed"]).any()


def test_what_stands_on_other_code_is_not_taken_for_todays(store, plan, monkeypatch):
    asked = plan(intermediate="attribute", target="choice", seeds="1")
    (transfer,) = asked.transfers
    before = [phase for phase in transfer.phases if phase.kind == "intermediate"]

    def executor(reuse: str, code: str) -> Executor:
        """Of a program in which the code behind intermediate tasks is ``code``."""
        own = {phase.spec_hash for phase in before}
        monkeypatch.setattr(execute, "code_hash", lambda one: (code if one.spec_hash in own else "2") * 64)
        return Executor(store, reuse)

    old = executor("same-code", "1").ensure(before[-1])
    run_plan(mixed := executor("any-code", "2"), asked, None)
    run_plan(today := executor("same-code", "2"), asked, None)
    assert mixed.done[before[-1].spec_hash].run_id == old.run_id
    after = [phase for phase in transfer.phases if phase.kind != "pretrain"]
    assert len(after) == 3
    for phase in after:
        assert today.done[phase.spec_hash].run_id != mixed.done[phase.spec_hash].run_id, phase.title


def test_a_model_whose_files_change_during_a_command_is_refused(store, folder, plan):
    asked = plan(model=folder, text="none", target="choice")
    (weights,) = Path(folder).glob("*.safetensors")
    weights.write_bytes(weights.read_bytes()[:-4] + bytes(4))
    with pytest.raises(XferError, match="its files have changed since the command began"):
        run_plan(Executor(store), asked, None)
