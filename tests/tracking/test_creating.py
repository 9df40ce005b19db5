"""What the product makes in a store it makes once, whichever answers are lost."""

from __future__ import annotations

import pytest

from mlflow_xfer.tracking import checkpoints, registering
from mlflow_xfer.tracking.ledger import Ledger
from mlflow_xfer.tracking.store import Store
from tests.proxy import Proxy

MAKING = ("create", "outputs", "DELETE")


@pytest.fixture
def proxy(server, monkeypatch):
    """A proxy in front of the server that loses the answers to the first two calls of each kind that makes
    something."""
    lost = lambda kind, n: "answer lost" if n < 3 and any(word in kind for word in MAKING) else None  # noqa: E731
    with Proxy(server.uri, lost) as one:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", one.uri)
        yield one


def test_of_lost_answers_nothing_is_made_twice(proxy, checkpoint):
    with Store.open() as store:
        run = store.start("phase", "p")
        checkpoints.publish(store, run, checkpoint)
        name = f"registered-{run}"
        assert registering.register(store, run, name, {}).endswith("/1")
        (checkpoint / "more.json").write_text("{}")
        model = checkpoints.publish(store, run, checkpoint, step=2)
        assert store.finish(run)
        lost = {kind for kind, _ in proxy.done}
        assert len(lost) >= 5 and all(proxy.seen[kind] >= 3 for kind in lost if "logged-models" in kind)
        assert [one.run_id for one in store.search({}, everywhere=False)] == [run]
        models = store.client.search_logged_models([store.experiment_id])
        assert [one.model_id for one in models] == [model] and model in store.get(run).models
        assert len(store.client.search_model_versions(f"name = '{name}'")) == 1


def test_there_is_one_ledger_run(proxy, monkeypatch):
    from mlflow_xfer.tracking import ledger

    monkeypatch.setattr(ledger, "EXPERIMENT", name := f"ledger-{proxy.uri[-5:]}")
    with Store.open() as store:
        made = [store.ask(Ledger(store.client, f"worker-{n}").run_id) for n in range(2)]
        experiment = store.client.get_experiment_by_name(name)
        (run,) = store.client.search_runs([experiment.experiment_id])
        assert made == [run.info.run_id] * 2 and run.info.status == "FINISHED"
