"""A run that points to another one is no second answer."""

from __future__ import annotations

from mlflow_xfer.phases import record
from mlflow_xfer.tracking import front, links
from mlflow_xfer.tracking.store import Store


def test_a_request_has_neither_the_verdict_nor_the_page_of_its_result(own_store):
    tags = {"xfer.target": "pos", front.VERDICT_TAG: "a +1.0", links.PAGE_TAG: links.REPORT}
    with Store.open() as store:
        result = store.start("study", "demo", tags=tags)
        store.metrics(result, {"selected/avg": 50.0})
        opened = store.start("study", "opened by mlflow run")
        store.flush()
        record.request(store, opened, result, "demo")
        store.flush()
        run = store.get(opened)
        assert run.kind == "request" and run.tags["xfer.result_run_id"] == result
        assert run.tags["xfer.target"] == "pos" and run.metrics == {"selected/avg": 50.0}
        assert not {front.VERDICT_TAG, links.PAGE_TAG} & set(run.tags)
        front.update(store)
        note = store.client.get_experiment(store.experiment_id).tags[front.NOTE]
    assert note.startswith("**[demo: a +1.0]") and "request" not in note
