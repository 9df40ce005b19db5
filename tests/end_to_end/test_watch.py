"""Whoever watches a phase may stop it:
its run is KILLED, its state saved, and whoever wants it next goes on from there.
"""

from __future__ import annotations

import pytest

from mlflow_xfer import params
from mlflow_xfer.errors import TRY_AGAIN, XferError
from mlflow_xfer.phases.execute import Executor
from mlflow_xfer.phases.plan import make_plan
from mlflow_xfer.phases.references import References
from mlflow_xfer.tracking.store import Store
from tests.conftest import TEXTS
from tests.end_to_end.conftest import ENCODER


def plan(store):
    typed = {"model": ENCODER, "text": TEXTS, "max_steps": 9, "train_batch_size": 4}
    return make_plan("pretrain", params.parse("pretrain", typed), References(lambda: store))


def test_a_watched_phase_stops_where_it_is_told_and_ends_as_if_undisturbed(client, all_runs):
    def watch(phase, metrics, step):
        assert phase.kind == "pretrain"
        if step == 4:
            raise XferError("hopeless", exit_code=TRY_AGAIN)

    with Store.open(probe=False) as store:
        (phase,) = plan(store).requested
        stopped = Executor(store, watch=watch)
        with pytest.raises(XferError, match="hopeless"):
            stopped.ensure(phase)
        store.flush()
        (run,) = all_runs("phase")
        assert run.info.status == "KILLED" and run.data.metrics["train/optimizer_steps"] == 4
        assert phase.spec_hash not in stopped.done

        again = Executor(store)
        done = again.ensure(phase)
        assert (done.run_id, done.how) == (run.info.run_id, "resumed")
        store.flush()
        (run,) = all_runs("phase")
        assert run.info.status == "FINISHED" and run.data.metrics["train/optimizer_steps"] == 9
        both = [*stopped.spent, *again.spent]
        assert [one.optimizer_steps for one in both] == [4, 5] and all(
            one.seconds > 0 and one.tokens > 0 for one in both
        )
        assert sum(one.tokens for one in both) == run.data.metrics["train/tokens"]
        assert sum(one.seconds for one in both) == pytest.approx(run.data.metrics["train/seconds"])

        undisturbed = Executor(store, reuse="never").ensure(phase)
        store.flush()
        metrics = client.get_run(undisturbed.run_id).data.metrics
        assert (
            metrics["train/loss"] == run.data.metrics["train/loss"]
            and metrics["train/tokens"] == run.data.metrics["train/tokens"]
        )
