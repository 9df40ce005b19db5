"""The driver of transfers, beside others that make the same phases."""

from __future__ import annotations

import pytest
from mlflow import MlflowClient

from mlflow_xfer.conditions import runner, submitted
from mlflow_xfer.conditions.condition import run_plan
from mlflow_xfer.conditions.crew import Crew
from mlflow_xfer.conditions.engines.engine import Held
from mlflow_xfer.conditions.engines.here import Here
from mlflow_xfer.conditions.transfers import CODE_TAG, made_before
from mlflow_xfer.phases import execute
from mlflow_xfer.phases.execute import Executor
from mlflow_xfer.tracking import lease
from mlflow_xfer.tracking.ledger import Ledger
from mlflow_xfer.tracking.store import Store


class Forgetful(Here):
    """Each phase is run by a worker that has seen nothing before, as tasks of Ray are."""

    def _run(self, handle, phase, order, after):
        with Store.open() as self.store:
            return super()._run(handle, phase, order, after)


def test_a_phase_whose_holder_is_heard_of_no_more_is_made_here(store, plan, monkeypatch):
    monkeypatch.setattr(lease, "only_here", lambda uri: False)
    monkeypatch.setattr(runner, "HELD_SECONDS", 0.2)
    monkeypatch.setattr(submitted, "Here", Forgetful)
    monkeypatch.setenv("XFER_STALE_SECONDS", "1.5")
    executor, asked = Executor(store), plan(target="choice")
    elsewhere = Ledger(MlflowClient(), "elsewhere")
    assert elsewhere.acquire(executor.key(asked.phases[0])) == 1
    one = runner.Replicate(asked, asked.transfers[0])
    (run_id,) = runner.run_transfers(executor, [one], Crew())
    store.flush()
    assert MlflowClient().get_run(run_id).info.status == "FINISHED"
    assert len(executor.done) == len(asked.phases)
    assert elsewhere.renew(executor.key(asked.phases[0]), 1) is None, "it was taken over"


@pytest.mark.parametrize("tagged", [True, False])
def test_what_other_code_made_is_not_taken(store, plan, monkeypatch, tagged):
    """Also of runs that do not say by which code they are made."""

    def ran(code: str, asked):
        monkeypatch.setattr(execute, "code_hash", lambda phase: code * 64)
        executor = Executor(store)
        return executor, run_plan(executor, asked, None)

    asked = plan(target="choice", seeds="0,1")
    _, old = ran("1", asked)
    now, new = ran("2", asked)
    assert old != new
    if not tagged:
        for run in store.search({"xfer.plan_hash": asked.plan_hash}) + [
            one for part in asked.transfers for one in store.search({"xfer.plan_hash": part.plan_hash})
        ]:
            MlflowClient().delete_tag(run.run_id, CODE_TAG)
    assert ran("2", asked)[1] == new and ran("1", asked)[1] == old
    ran("2", asked)
    for part in asked.transfers:
        taken = made_before(now, part.plan_hash, "transfer", part.phases)
        assert taken in store.get(new).inputs, "baselines, too"
    any_code = Executor(store, "any-code")
    assert made_before(any_code, asked.plan_hash, "condition", asked.phases) == old


@pytest.mark.parametrize("held", [True, False])
def test_a_target_that_another_driver_has_scored_and_dropped_is_not_trained_again(
    store, plan, monkeypatch, held
):
    """Whether it is found held, or is done before it is asked for."""
    asked = plan(**{"target": "mood", "pretrain.max_steps": 2})

    def driven(store):
        executor = Executor(store, keep="intermediate")
        one = runner.Replicate(asked, asked.transfers[0])
        return executor, *runner.run_transfers(executor, [one], Crew())

    class Slower(Here):
        beaten = False

        def _run(self, handle, phase, order, after):
            if self.beaten or phase.kind != ("target" if held else "pretrain"):
                return super()._run(handle, phase, order, after)
            self.beaten = True
            event = Held(handle) if held else super()._run(handle, phase, order, after)
            monkeypatch.setattr(submitted, "Here", Here)
            with Store.open() as other:
                driven(other)
            return event

    monkeypatch.setattr(submitted, "Here", Slower)
    executor, run_id = driven(store)
    store.flush()
    runs = MlflowClient().search_runs([store.experiment_id], "tags.xfer.kind = 'phase'")
    assert sorted(run.data.tags["xfer.phase"] for run in runs) == ["evaluate", "pretrain", "target"]
    assert MlflowClient().get_run(run_id).info.status == "FINISHED"
    assert {run.info.run_id for run in runs} == {done.run_id for done in executor.done.values()}
