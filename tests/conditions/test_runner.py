"""The driver of transfers, beside others that make the same phases."""

from __future__ import annotations

from mlflow import MlflowClient

from mlflow_xfer.conditions import runner, submitted
from mlflow_xfer.conditions.crew import Crew
from mlflow_xfer.conditions.engines.here import Here
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
